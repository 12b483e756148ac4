import * as v from 'valibot'
import { DataError, FormatError, MismatchError, OptionError } from '../base/errors.ts'
import { callable, checkOptions, wholeNumber } from '../base/options.ts'
import {
  type Frequency,
  frameWithoutLast,
  frequencyUnits,
  type Series,
  type SeriesFrame,
  seasonOf,
  stampAfter,
} from '../data/index.ts'
import type { Device } from '../platform/index.ts'
import { askForecaster } from './ask-forecaster.ts'
import { checkFrame, checkFuture, checkLengths, checkSeries } from './check-frame.ts'
import { type Calibration, calibrationSchema, intervalsFrom, residuals, unitShares } from './conformal.ts'
import { forecasterCost, loadForecaster } from './forecaster-registry.ts'
import type {
  FitProgress,
  FitRequest,
  FittedForecaster,
  ForecastCapabilities,
  ForecasterSystem,
  LagCoefficients,
  Prediction,
} from './forecaster-system.ts'

export interface FitForecasterOptions {
  /** A method's id. */
  readonly model: string
  /** Steps to forecast. */
  readonly horizon: number
  /** The method's own. */
  readonly options?: unknown
  /** Steps of a season; 1: none. Default: what the frequency mostly has. */
  readonly season?: number
  /**
   * Past windows whose errors give intervals their widths; each has one value more. Default: 40, or as many as leave half of the shortest series to learn
   * from; of methods that held out values, evenly among these; of those that have quantiles besides, none where they held out too few. 0: no intervals, or the method's own.
   */
  readonly calibrationWindows?: number
  /** Of all that is random in learning. Default 0. */
  readonly seed?: number
  /** Where methods that learn in steps run. Default: one that is opened for it. */
  readonly device?: Device
  /** Of methods that learn in steps: a fitted one of the same sizes, whose weights learning starts from. Default: random ones. */
  readonly start?: Forecaster
  /** After each step of methods that learn in steps. */
  readonly onProgress?: (progress: FitProgress) => void
  readonly signal?: AbortSignal
}

const fitSchema = v.strictObject({
  model: v.string(),
  horizon: wholeNumber(1, 100_000),
  options: v.optional(v.unknown()),
  season: v.optional(wholeNumber(1)),
  calibrationWindows: v.optional(wholeNumber(0)),
  seed: v.optional(wholeNumber(0)),
  device: v.optional(v.looseObject({ run: callable })),
  start: v.optional(v.custom<Forecaster>((value) => value instanceof Forecaster, 'expected a forecaster')),
  onProgress: v.optional(callable),
  signal: v.optional(v.instance(AbortSignal)),
})

export interface ForecastOptions {
  /** Default: what it was fitted for. */
  readonly horizon?: number
  /** Shares of values that intervals are to hold, in percent. Default 80 and 95. */
  readonly levels?: readonly number[]
  /** What is known. Default: what it was fitted with. */
  readonly history?: SeriesFrame
  /** How many ways that each series may take are drawn. Default: none. */
  readonly paths?: number
  /** Of the paths. Default 0. */
  readonly seed?: number
  readonly signal?: AbortSignal
}

const forecastSchema = v.strictObject({
  horizon: v.optional(wholeNumber(1, 100_000)),
  levels: v.optional(v.array(v.pipe(v.number(), v.gtValue(0), v.ltValue(100)))),
  history: v.optional(v.looseObject({})),
  paths: v.optional(wholeNumber(1, 10_000)),
  seed: v.optional(wholeNumber(0)),
  signal: v.optional(v.instance(AbortSignal)),
})

/** What is to come of one series; arrays `[horizon]`. */
export interface SeriesForecast {
  readonly id: string
  readonly stamps: readonly number[]
  readonly mean: Float64Array
  /** By level in percent. */
  readonly intervals: ReadonlyMap<number, { readonly lower: Float64Array; readonly upper: Float64Array }>
  /** What the mean is the sum of, of methods that take series apart: trend, season. */
  readonly components?: Readonly<Record<string, Float64Array>>
  /** As many ways as were asked for. */
  readonly paths?: readonly Float64Array[]
}

export interface Forecast {
  readonly model: string
  readonly frequency: Frequency
  readonly zone: string
  readonly series: readonly SeriesForecast[]
}

/**
 * A method of forecasting fitted to series. Throws OptionError on options that are unknown or out of range, DataError on series that are too short or have
 * gaps or covariates that the method cannot use.
 * @example
 * const { frame } = await readSeries('sales.csv')
 * const forecaster = await fitForecaster(frame, { model: 'ridge', horizon: 24 })
 * const { series } = await forecaster.forecast({ levels: [80] })
 */
export async function fitForecaster(frame: SeriesFrame, options: FitForecasterOptions): Promise<Forecaster> {
  checkOptions(fitSchema, options, 'fitForecaster')
  const { model, horizon, season = seasonOf(frame.frequency), seed = 0, device, onProgress, signal } = options
  const system = await loadForecaster(model)
  const own = system.readOptions(options.options ?? {})
  const request: FitRequest = { horizon, season, seed, device, onProgress, signal, start: startOf(options) }
  checkFrame(frame, system, own, request)
  if (system.capabilities(own).counts && (options.calibrationWindows ?? 0) > 0)
    throw new OptionError(`calibrationWindows is ${options.calibrationWindows}, and '${model}' says quantiles of counts`, {
      expected: '0: past errors correct none but continuous ones',
    })
  const fitted = await system.fit(frame, own, request)
  try {
    const calibration = await calibrated(frame, { system, options: own, request, fitted }, options.calibrationWindows)
    return new Forecaster({ system, options: own, request, frame, fitted, calibration })
  } catch (error) {
    await fitted.dispose?.()
    throw error
  }
}

function startOf({ model, start }: FitForecasterOptions): unknown {
  if (start === undefined) return undefined
  if (forecasterCost(model) !== 'training') throw new OptionError(`start does nothing for '${model}'`, { fix: 'leave it out' })
  if (start.model !== model)
    throw new MismatchError(`a '${model}' that starts from a '${start.model}'`, { expected: 'one of its kind' })
  return start.toJSON().state
}

/** Fewer say less than a method's own quantiles do. */
const fewWindows = 20

/** By what is fitted where it has held out the windows, and otherwise by another one, fitted to what comes before them. */
async function calibrated(frame: SeriesFrame, parts: Omit<Parts, 'frame' | 'calibration'>, wanted: number | undefined) {
  const { system, options, request, fitted } = parts
  const { horizon } = request
  const { probabilistic, counts, paths } = system.capabilities(options)
  const spare = (fitted.heldOut ?? 0) - horizon + 1
  // Quantiles from paths take hundreds of forecasts each.
  const free = () => (spare < fewWindows || paths || counts ? 0 : Math.min(40, spare))
  const windows = wanted ?? (probabilistic ? free() : defaultWindows(frame, system.minimumLength(options, request), horizon, spare))
  if (windows === 0) return undefined
  const how = { windows, quantiles: probabilistic ? unitShares : [] }
  if (windows <= spare) return residuals(frame, fitted, request, { ...how, among: spare })
  const before = frameWithoutLast(frame, horizon + windows - 1)
  checkLengths(before, system, options, request, 'fewer calibrationWindows')
  const other = await system.fit(before, options, request)
  try {
    return await residuals(frame, other, request, how)
  } finally {
    await other.dispose?.()
  }
}

/** Up to 40, of which the shortest series keeps half to learn from, or which were held out. */
function defaultWindows({ series }: SeriesFrame, least: number, horizon: number, heldOut: number): number {
  const shortest = Math.min(...series.map(({ values }) => values.length))
  const spare = Math.min(Math.floor(shortest / 2), shortest - least) - horizon + 1
  return Math.max(0, Math.min(40, Math.max(spare, heldOut)))
}

/** The shares below the edges of an interval of a level in percent. */
function sharesOf(level: number): [number, number] {
  return [0.5 - level / 200, 0.5 + level / 200]
}

interface Parts {
  readonly system: ForecasterSystem
  readonly options: unknown
  readonly request: FitRequest
  readonly frame: SeriesFrame
  readonly fitted: FittedForecaster
  readonly calibration: Calibration | undefined
}

/** A fitted method with the series that it was fitted to, which it goes on from. */
export class Forecaster {
  readonly #parts: Parts

  constructor(parts: Parts) {
    this.#parts = parts
  }

  get #capabilities(): ForecastCapabilities {
    return this.#parts.system.capabilities(this.#parts.options)
  }

  get model(): string {
    return this.#parts.system.id
  }

  get horizon(): number {
    return this.#parts.request.horizon
  }

  /** Whether it was calibrated, or has quantiles of its own. */
  get hasIntervals(): boolean {
    return this.#capabilities.probabilistic || this.#parts.calibration !== undefined
  }

  /** In percent; none without intervals. */
  get defaultLevels(): readonly number[] {
    return this.hasIntervals ? [80, 95] : []
  }

  /** The default levels where every series of a history has intervals: where the method says quantiles, or was calibrated on that series. */
  levelsFor({ series }: SeriesFrame): readonly number[] {
    return this.#capabilities.probabilistic || series.every(({ id }) => this.#isCalibrated(id)) ? this.defaultLevels : []
  }

  /**
   * What is to come after each series' last value. Throws OptionError on a horizon that the method was not fitted for and on levels that its calibration cannot
   * tell, MismatchError on a history of another frequency, DataError on histories that it cannot use, NonFiniteError where it says what is no number.
   */
  async forecast(options: ForecastOptions = {}): Promise<Forecast> {
    checkOptions(forecastSchema, options, 'forecast')
    const { history = this.#parts.frame, ...others } = options
    const [forecast] = await this.forecastEach([history], others)
    return forecast!
  }

  /** What is to come after each of several histories, at once: what backtests ask. Throws what `forecast` does. */
  async forecastEach(histories: readonly SeriesFrame[], options: Omit<ForecastOptions, 'history'> = {}): Promise<Forecast[]> {
    const { request, fitted } = this.#parts
    const { probabilistic } = this.#capabilities
    const { horizon = request.horizon, levels = this.defaultLevels, signal } = options
    for (const history of histories) this.#check(horizon, history)
    const quantiles = probabilistic ? this.#quantilesFor(levels, histories) : []
    if (options.paths !== undefined && !this.#capabilities.paths)
      throw new OptionError(`'${this.model}' draws no paths as it was fitted`, {
        expected: "a method that goes step by step, with a distribution: 'arnet' with steps: 1 and distribution: 'gaussian'",
        fix: 'ask for levels',
      })
    if (options.seed !== undefined && options.paths === undefined) throw new OptionError('seed does nothing without paths')
    const paths = options.paths === undefined ? undefined : { count: options.paths, seed: options.seed ?? 0 }
    const predictions = await askForecaster(fitted, { histories, horizon, quantiles, paths, signal })
    return histories.map((history, i) => this.#assembled(history, predictions[i]!, horizon, levels))
  }

  /**
   * Weights of the lags, of linear methods, for a series (default: the first one that it was fitted to). Throws OptionError where there are none.
   */
  coefficients(series?: string): LagCoefficients {
    const found = this.#parts.fitted.coefficients?.(series)
    if (found === undefined)
      throw new OptionError(`'${this.model}' has no coefficients`, {
        expected: 'a linear method: ridge, or arnet without hidden layers and counts',
      })
    return found
  }

  /** Frees what the method holds on a device. */
  async dispose(): Promise<void> {
    await this.#parts.fitted.dispose?.()
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.dispose()
  }

  #assembled(history: SeriesFrame, predictions: readonly Prediction[], horizon: number, levels: readonly number[]): Forecast {
    const { frequency, zone } = history
    const stampsFrom = new Map<string, readonly number[]>()
    const stampsOf = ({ start, values }: Series) => {
      const key = `${start} ${values.length}`
      const known = stampsFrom.get(key)
      if (known !== undefined) return known
      const stamps = Array.from({ length: horizon }, (_, step) => stampAfter(frequency, zone, start, values.length + step))
      stampsFrom.set(key, stamps)
      return stamps
    }
    const ofSeries = (series: Series, prediction: Prediction): SeriesForecast => ({
      id: series.id,
      stamps: stampsOf(series),
      mean: prediction.mean,
      intervals: new Map(levels.map((level) => [level, this.#interval(series.id, prediction, level)])),
      ...(prediction.components !== undefined && { components: prediction.components }),
      ...(prediction.paths !== undefined && { paths: prediction.paths }),
    })
    return { model: this.model, frequency, zone, series: history.series.map((series, i) => ofSeries(series, predictions[i]!)) }
  }

  /** What is needed to go on elsewhere, as JSON; `restoreForecaster` reads it. */
  toJSON() {
    const { system, options, request, fitted, calibration, frame } = this.#parts
    const { horizon, season, seed } = request
    return {
      format: 'nextx forecaster',
      model: system.id,
      options,
      horizon,
      season,
      seed,
      frequency: frame.frequency,
      zone: frame.zone,
      state: fitted.state(),
      calibration,
    }
  }

  #quantilesFor(levels: readonly number[], histories: readonly SeriesFrame[]): readonly number[] {
    if (levels.length === 0) return []
    const all = histories.flatMap(({ series }) => series)
    const own = all.every(({ id }) => this.#isCalibrated(id)) ? [] : levels.flatMap(sharesOf)
    return this.#parts.calibration === undefined ? own : [...unitShares, ...own]
  }

  #isCalibrated(id: string): boolean {
    const { calibration } = this.#parts
    return calibration !== undefined && Object.hasOwn(calibration, id)
  }

  /** By past errors of the series; of one that was not there, by the method's own quantiles where it has them. */
  #interval(id: string, prediction: Prediction, level: number) {
    if (this.#isCalibrated(id) || !this.#capabilities.probabilistic)
      return intervalsFrom(this.#parts.calibration, { id, prediction, level })
    const [lower, upper] = sharesOf(level).map((share) => prediction.quantiles!.get(share)!)
    return { lower: lower!, upper: upper! }
  }

  #check(horizon: number, history: SeriesFrame): void {
    const { system, request, fitted, frame } = this.#parts
    if (horizon > request.horizon && !this.#capabilities.anyHorizon)
      throw new OptionError(`a horizon of ${horizon} of a '${system.id}' that was fitted for ${request.horizon}`, {
        expected: `at most ${request.horizon}`,
        fix: 'fit it for the longer horizon',
      })
    if (history.frequency.unit !== frame.frequency.unit || history.frequency.every !== frame.frequency.every)
      throw new MismatchError('a history of another frequency', { expected: 'the one it was fitted with' })
    checkSeries(history, system, this.#parts.options)
    for (const series of history.series) {
      if (series.values.length < fitted.minimumLength)
        throw new DataError(`series '${series.id}' has ${series.values.length} values`, {
          expected: `at least ${fitted.minimumLength}`,
        })
      if (this.#capabilities.future) checkFuture(series, history, horizon)
    }
  }
}

const fileSchema = v.strictObject({
  format: v.literal('nextx forecaster'),
  model: v.string(),
  options: v.unknown(),
  horizon: wholeNumber(1, 100_000),
  season: wholeNumber(1),
  seed: wholeNumber(0),
  frequency: v.strictObject({ unit: v.picklist(frequencyUnits), every: wholeNumber(1), monthEnd: v.optional(v.literal(true)) }),
  zone: v.string(),
  state: v.unknown(),
  calibration: v.optional(calibrationSchema),
})

/** A forecaster from what `toJSON` gave; it has no history of its own, so that `forecast` needs one. Throws FormatError on anything else. */
export async function restoreForecaster(json: unknown, { device }: { readonly device?: Device } = {}): Promise<Forecaster> {
  const parsed = v.safeParse(fileSchema, json)
  if (!parsed.success) throw new FormatError('no forecaster', { expected: 'what toJSON of one gave' })
  const { model, options, horizon, season, seed, frequency, zone, state, calibration } = parsed.output
  const system = await loadForecaster(model)
  const own = system.readOptions(options)
  const request = { horizon, season, seed, device }
  const frame = { frequency: frequency as Frequency, zone, series: [] }
  return new Forecaster({ system, options: own, request, frame, fitted: system.restore(state, own, request), calibration })
}
