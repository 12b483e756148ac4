import ArimaFit from 'arima'
import { probit } from 'simple-statistics'
import * as v from 'valibot'
import { NonFiniteError } from '../../base/errors.ts'
import type { FitRequest, FittedForecaster, ForecasterSystem, Prediction } from '../forecaster-system.ts'
import { parseConfig } from '../read-config.ts'

const order = (most: number) => v.optional(v.pipe(v.number(), v.integer(), v.minValue(0), v.maxValue(most)), 0)

const optionsSchema = v.union([
  v.strictObject({ auto: v.optional(v.literal(true), true) }),
  v.strictObject({
    auto: v.literal(false),
    /** Lags of values, differences, lags of errors; in capitals those a season apart. */
    p: order(24),
    d: order(2),
    q: order(24),
    P: order(4),
    D: order(2),
    Q: order(4),
  }),
])

export type ArimaOptions = v.InferOutput<typeof optionsSchema>

/** Most values at the end of a series that are looked at; more make the search too slow. */
const mostValues = 2000

/**
 * Autoregressive integrated moving averages, seasonal where there is a season, each series by itself; of what orders, `auto` searches for. Intervals are
 * those of normal errors. It is fitted anew to every history. By the library `arima`, a build of ctsa.
 */
const arima: ForecasterSystem<ArimaOptions> = {
  kind: 'forecaster',
  id: 'arima',
  source:
    'Box & Jenkins 1970; orders as in Hyndman & Khandakar 2008, Automatic Time Series Forecasting: The forecast Package for R',
  capabilities: { past: false, future: false, static: false, missing: false, anyHorizon: true, probabilistic: true },
  readOptions: (value) => parseConfig(optionsSchema, value, 'arima'),
  minimumLength: (_, { season }) => leastOf(season),
  fit: async (_frame, options, request) => fitted(options, request),
  restore: (_state, options, request) => fitted(options, request),
}

export default arima

function leastOf(season: number): number {
  return Math.max(12, 2 * season + 2)
}

function fitted(options: ArimaOptions, { season }: FitRequest): FittedForecaster {
  return {
    minimumLength: leastOf(season),
    state: () => ({}),
    async predict({ history, horizon, quantiles, signal }) {
      const all: Prediction[] = []
      for (const { values } of history.series) {
        signal?.throwIfAborted()
        all.push(predicted(values.subarray(Math.max(0, values.length - mostValues)), { options, season, horizon, quantiles }))
      }
      return all
    },
  }
}

interface Asked {
  readonly options: ArimaOptions
  readonly season: number
  readonly horizon: number
  readonly quantiles: readonly number[]
}

function predicted(values: Float64Array, { options, season, horizon, quantiles }: Asked): Prediction {
  const { auto, ...orders } = options
  const seasonal = season > 1 ? { s: season } : {}
  const model = new ArimaFit({ ...(auto ? { auto } : orders), ...seasonal, verbose: false }).train([...values])
  try {
    const [means, variances] = model.predict(horizon)
    if (![...means, ...variances].every(Number.isFinite))
      throw new NonFiniteError('ARIMA found no finite forecast', { fix: 'other orders, or another model' })
    const mean = Float64Array.from(means)
    const at = (quantile: number) => mean.map((value, step) => value + probit(quantile) * Math.sqrt(Math.max(0, variances[step]!)))
    return { mean, quantiles: new Map(quantiles.map((quantile) => [quantile, at(quantile)])) }
  } finally {
    model.destroy()
  }
}
