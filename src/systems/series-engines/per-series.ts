import jstat from 'jstat'
import * as v from 'valibot'
import { FormatError } from '../../base/errors.ts'
import type { Series } from '../../data/index.ts'
import { nextTurn } from '../../platform/next-turn.ts'
import type { FitRequest, FittedForecaster, ForecasterSystem, Prediction, PredictRequest } from '../forecaster-system.ts'
import { parseConfig } from '../read-config.ts'
import { ownValuesOnly } from '../series/baseline.ts'

/** What a method that says normal distributions says of one series, each `[horizon]`. */
export interface NormalForecast {
  readonly mean: Float64Array
  readonly variance: Float64Array
  readonly components?: Readonly<Record<string, Float64Array>>
}

/** Whether intervals come from errors on past windows, or from the model: those are narrower than they should be, for its parameters count as known. */
export const intervalsOption = v.optional(v.picklist(['errors', 'model']), 'errors')

interface CommonOptions {
  readonly intervals: v.InferOutput<typeof intervalsOption>
}

/** A method that learns something of each series apart. */
export interface PerSeries<Options extends CommonOptions, Learnt> {
  readonly id: string
  readonly source: string
  readonly options: v.GenericSchema<unknown, Options>
  readonly learnt: v.GenericSchema<unknown, Learnt>
  /** Least values of a series. */
  minimumLength(options: Options, request: FitRequest): number
  learn(series: Series, options: Options, request: FitRequest): Learnt
  /** From a history of the series; undefined where what was learnt does not fit it, so that it must be learnt anew. */
  forecast(series: Series, learnt: Learnt, asked: Asked<Options>): NormalForecast | undefined
}

export interface Asked<Options> {
  readonly horizon: number
  readonly options: Options
  readonly request: FitRequest
}

/** A method that is fitted to each series apart and says normal distributions; series that it does not know are learnt when they are asked for. */
export function perSeries<Options extends CommonOptions, Learnt>(method: PerSeries<Options, Learnt>): ForecasterSystem<Options> {
  const state = v.record(v.string(), method.learnt)
  return {
    kind: 'forecaster',
    id: method.id,
    source: method.source,
    capabilities: ({ intervals }) => ({ ...ownValuesOnly, anyHorizon: true, probabilistic: intervals === 'model' }),
    readOptions: (value) => parseConfig(method.options, value, method.id),
    minimumLength: (options, request) => method.minimumLength(options, request),
    async fit(frame, options, request) {
      const learnt = new Map<string, Learnt>()
      for (const series of frame.series) {
        await nextTurn()
        request.signal?.throwIfAborted()
        learnt.set(series.id, method.learn(series, options, request))
      }
      return fitted(method, learnt, options, request)
    },
    restore(value, options, request) {
      const parsed = v.safeParse(state, value)
      if (!parsed.success)
        throw new FormatError(`the state of a forecaster '${method.id}'`, { expected: 'what was learnt of each series, by its id' })
      return fitted(method, new Map(Object.entries(parsed.output)), options, request)
    },
  }
}

function fitted<Options extends CommonOptions, Learnt>(
  method: PerSeries<Options, Learnt>,
  learnt: ReadonlyMap<string, Learnt>,
  options: Options,
  request: FitRequest,
): FittedForecaster {
  const predicted = (series: Series, { horizon, quantiles }: PredictRequest): Prediction => {
    const asked = { horizon, options, request }
    const known = learnt.get(series.id)
    const forecast =
      (known === undefined ? undefined : method.forecast(series, known, asked)) ??
      method.forecast(series, method.learn(series, options, request), asked)!
    return { ...forecastOf(forecast), quantiles: quantilesOf(forecast, quantiles) }
  }
  return {
    minimumLength: method.minimumLength(options, request),
    state: () => Object.fromEntries(learnt),
    async predict(asked) {
      const all: Prediction[][] = []
      for (const { series } of asked.histories) {
        const predictions: Prediction[] = []
        for (const each of series) {
          asked.signal?.throwIfAborted()
          predictions.push(predicted(each, asked))
        }
        await nextTurn()
        all.push(predictions)
      }
      return all
    },
  }
}

function forecastOf({ mean, components }: NormalForecast): Prediction {
  return { mean, ...(components !== undefined && { components }) }
}

function quantilesOf({ mean, variance }: NormalForecast, quantiles: readonly number[]): ReadonlyMap<number, Float64Array> {
  return new Map(
    quantiles.map((quantile) => {
      const deviations = jstat.normal.inv(quantile, 0, 1)
      return [quantile, mean.map((value, step) => value + deviations * Math.sqrt(variance[step]!))]
    }),
  )
}
