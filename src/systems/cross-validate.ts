import * as v from 'valibot'
import { DataError } from '../base/errors.ts'
import { checkOptions, wholeNumber } from '../base/options.ts'
import { frameWithoutLast, type SeriesFrame, seasonOf, stampAfter } from '../data/index.ts'
import { seasonalScale } from '../metrics/index.ts'
import { type FitForecasterOptions, type Forecaster, fitForecaster, type SeriesForecast } from './forecaster.ts'

/** Which moments of the past are forecast from. */
export interface BacktestOptions {
  /** Default: what the method was fitted for. */
  readonly horizon?: number
  /** Forecasts made. Default 3. */
  readonly windows?: number
  /** Values between their beginnings. Default: the horizon. */
  readonly step?: number
  /** Shares of values that intervals are to hold, in percent. Default 80 and 95, where the method has intervals. */
  readonly levels?: readonly number[]
  /** Steps of a season, for MASE. Default: what the frequency mostly has. */
  readonly season?: number
  readonly signal?: AbortSignal
}

export interface CrossValidateOptions extends FitForecasterOptions, Omit<BacktestOptions, 'horizon'> {
  /** Whether the method is fitted anew for each window. Default true; false fits it once, to what comes before all windows. */
  readonly refit?: boolean
  /** After each fit and its windows. */
  readonly onWindow?: (done: number, windows: number) => void
}

/** A forecast that was made in the past, and what came. */
export interface BacktestWindow extends SeriesForecast {
  /** From 0, the oldest first. */
  readonly window: number
  readonly actual: Float64Array
  /** Evenly from 0.05 to 0.95 but for the median, each `[horizon]`; empty without intervals. */
  readonly quantiles: ReadonlyMap<number, Float64Array>
  /** Mean difference of values a season apart before the window; undefined where there is none, or the history repeats itself. */
  readonly scale: number | undefined
}

export interface Backtest {
  readonly model: string
  readonly levels: readonly number[]
  readonly windows: readonly BacktestWindow[]
}

const entries = {
  horizon: v.optional(wholeNumber(1, 100_000)),
  windows: v.optional(wholeNumber(1, 100_000)),
  step: v.optional(wholeNumber(1)),
  levels: v.optional(v.array(v.pipe(v.number(), v.gtValue(0), v.ltValue(100)))),
  season: v.optional(wholeNumber(1)),
  signal: v.optional(v.instance(AbortSignal)),
}

const backtestSchema = v.strictObject(entries)

const crossValidateSchema = v.looseObject({ ...entries, refit: v.optional(v.boolean()) })

/**
 * Forecasts of a fitted method from moments of the past, each knowing only what came before it (rolling origin). Whether the method was fitted to what
 * comes after them is the caller's to mind. Throws DataError when series are too short for so many windows, and what `forecast` throws.
 * @example
 * const { frame: whole } = await readSeries('sales.csv')
 * const training = frameWithoutLast(whole, 123)
 * const forecaster = await fitForecaster(training, { model: 'ridge', horizon: 24 })
 * const [all] = evaluate(await backtest(forecaster, whole, { windows: 100, step: 1 }))
 */
export async function backtest(forecaster: Forecaster, frame: SeriesFrame, options: BacktestOptions = {}): Promise<Backtest> {
  checkOptions(backtestSchema, options, 'backtest')
  const { horizon = forecaster.horizon, windows = 3, step = horizon, season, levels, signal } = options
  const left = originsOf(frame, horizon, windows, step)
  return judged(forecaster, frame, { horizon, left, first: 0, season, levels, signal })
}

/**
 * Backtests a method that is fitted to what comes before the windows. Throws DataError when series are too short for so many windows, and what
 * `fitForecaster` throws.
 */
export async function crossValidate(frame: SeriesFrame, options: CrossValidateOptions): Promise<Backtest> {
  checkOptions(crossValidateSchema, options, 'crossValidate')
  const { windows = 3, step = options.horizon, refit = true, levels, onWindow, ...fit } = options
  const left = originsOf(frame, options.horizon, windows, step)
  const done: Backtest[] = []
  let first = 0
  for (const part of refit ? left.map((count) => [count]) : [left]) {
    options.signal?.throwIfAborted()
    await using forecaster = await fitForecaster(frameWithoutLast(frame, part[0]!), fit)
    const { season, signal } = options
    done.push(await judged(forecaster, frame, { horizon: options.horizon, left: part, first, season, levels, signal }))
    first += part.length
    onWindow?.(first, windows)
  }
  return { model: options.model, levels: done[0]!.levels, windows: done.flatMap((each) => each.windows) }
}

/** How many values come after the beginning of each window, the oldest first. */
function originsOf({ series }: SeriesFrame, horizon: number, windows: number, step: number): number[] {
  const oldest = horizon + (windows - 1) * step
  for (const { id, values } of series)
    if (values.length <= oldest)
      throw new DataError(`series '${id}' has ${values.length} values`, {
        expected: `more than ${oldest} for ${windows} windows of ${horizon}`,
        fix: 'fewer windows, or a shorter horizon or step',
      })
  return Array.from({ length: windows }, (_, window) => oldest - window * step)
}

interface Judging {
  readonly horizon: number
  readonly left: readonly number[]
  /** Number of the first window. */
  readonly first: number
  readonly season: number | undefined
  readonly levels: readonly number[] | undefined
  readonly signal: AbortSignal | undefined
}

async function judged(
  forecaster: Forecaster,
  frame: SeriesFrame,
  { horizon, left, first, season, signal, levels: wanted }: Judging,
): Promise<Backtest> {
  const levels = wanted !== undefined && forecaster.hasIntervals ? wanted : forecaster.defaultLevels
  const histories = left.map((count) => frameWithoutLast(frame, count))
  const asked = levels.length === 0 ? [] : [...new Set([...levels, ...evenLevels])]
  const forecasts = await forecaster.forecastEach(histories, { horizon, levels: asked, ...(signal && { signal }) })
  const windows = forecasts.flatMap(({ series }, window) =>
    series.map((each, i): BacktestWindow => {
      const { values } = frame.series[i]!
      const begin = values.length - left[window]!
      const scale = scaleOf(values.subarray(0, begin), season ?? seasonOf(frame.frequency))
      const intervals = new Map([...each.intervals].filter(([level]) => levels.includes(level)))
      const actual = values.slice(begin, begin + horizon)
      return { ...each, intervals, quantiles: quantilesOf(each.intervals), window: first + window, actual, scale }
    }),
  )
  return { model: forecaster.model, levels, windows }
}

/** In percent; their ends are quantiles 0.05 apart. */
const evenLevels = [10, 20, 30, 40, 50, 60, 70, 80, 90]

function quantilesOf(intervals: SeriesForecast['intervals']): ReadonlyMap<number, Float64Array> {
  const even = [...intervals].filter(([level]) => evenLevels.includes(level))
  return new Map(
    even.flatMap(([level, { lower, upper }]) => [[(100 - level) / 200, lower] as const, [(100 + level) / 200, upper] as const]),
  )
}

function scaleOf(history: Float64Array, season: number): number | undefined {
  try {
    return seasonalScale(history, season)
  } catch (error) {
    if (error instanceof DataError) return undefined
    throw error
  }
}

/** The stamps of what is to come of each series, for future covariates to be written beside. */
export function makeFuture(
  { frequency, zone, series }: SeriesFrame,
  horizon: number,
): { readonly unique_id: string; readonly stamp: number }[] {
  return series.flatMap(({ id, start, values }) =>
    Array.from({ length: horizon }, (_, step) => ({
      unique_id: id,
      stamp: stampAfter(frequency, zone, start, values.length + step),
    })),
  )
}
