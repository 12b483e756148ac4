import * as v from 'valibot'
import { DataError } from '../base/errors.ts'
import { checkOptions, wholeNumber } from '../base/options.ts'
import { type SeriesFrame, seasonOf, stampAfter, withoutLast } from '../data/index.ts'
import { coverage, pointMetrics, scaledIntervalScore, seasonalScale } from '../metrics/index.ts'
import { type FitForecasterOptions, type Forecaster, fitForecaster, type SeriesForecast } from './forecaster.ts'

export interface CrossValidateOptions extends FitForecasterOptions {
  /** Forecasts made in the past. Default 3. */
  readonly windows?: number
  /** Values between their beginnings. Default: the horizon. */
  readonly step?: number
  /** Whether the method is fitted anew for each window. Default true; false fits it once, to what comes before all windows. */
  readonly refit?: boolean
  /** Default 80 and 95. */
  readonly levels?: readonly number[]
  /** After each window. */
  readonly onWindow?: (done: number, windows: number) => void
}

/** A forecast that was made in the past, and what came. */
export interface BacktestWindow extends SeriesForecast {
  /** From 0, the oldest first. */
  readonly window: number
  readonly actual: Float64Array
  /** Mean difference of values a season apart before the window; undefined where there is none, or the history repeats itself. */
  readonly scale: number | undefined
}

export interface Backtest {
  readonly model: string
  readonly levels: readonly number[]
  readonly windows: readonly BacktestWindow[]
}

const extras = v.looseObject({
  windows: v.optional(wholeNumber(1, 10_000)),
  step: v.optional(wholeNumber(1)),
  refit: v.optional(v.boolean()),
  levels: v.optional(v.array(v.pipe(v.number(), v.gtValue(0), v.ltValue(100)))),
})

/**
 * Forecasts from moments of the past, each knowing only what came before it (rolling origin). Throws DataError when series are too short for so many windows,
 * and what `fitForecaster` throws.
 */
export async function crossValidate(frame: SeriesFrame, options: CrossValidateOptions): Promise<Backtest> {
  checkOptions(extras, options, 'crossValidate')
  const { windows = 3, step = options.horizon, refit = true, levels = [80, 95], onWindow, ...fit } = options
  const oldest = options.horizon + (windows - 1) * step
  for (const { id, values } of frame.series)
    if (values.length <= oldest)
      throw new DataError(`series '${id}' has ${values.length} values`, {
        expected: `more than ${oldest} for ${windows} windows of ${options.horizon}`,
        fix: 'fewer windows, or a shorter horizon or step',
      })
  const cut = (count: number): SeriesFrame => ({ ...frame, series: frame.series.map((series) => withoutLast(series, count)) })
  const all: BacktestWindow[] = []
  let forecaster: Forecaster | undefined
  for (let window = 0; window < windows; window++) {
    options.signal?.throwIfAborted()
    const left = oldest - window * step
    const history = cut(left)
    if (forecaster === undefined || refit) forecaster = await fitForecaster(history, fit)
    const { series } = await forecaster.forecast({ history, levels: fit.calibrationWindows === 0 ? [] : levels })
    for (const [i, each] of series.entries()) {
      const { values } = frame.series[i]!
      const actual = values.slice(values.length - left, values.length - left + options.horizon)
      all.push({ ...each, window, actual, scale: scaleOf(history.series[i]!.values, options.season ?? seasonOf(frame.frequency)) })
    }
    onWindow?.(window + 1, windows)
  }
  return { model: options.model, levels, windows: all }
}

function scaleOf(history: Float64Array, season: number): number | undefined {
  try {
    return seasonalScale(history, season)
  } catch (error) {
    if (error instanceof DataError) return undefined
    throw error
  }
}

/** What rows of an evaluation stand for. */
export type EvaluateBy = 'all' | 'series' | 'step' | 'window'

/** Errors of a backtest; each mean is over all values of the row's windows. */
export interface EvaluationRow {
  readonly key: string
  readonly values: number
  readonly mse: number
  readonly mae: number
  readonly rmse: number
  readonly smape: number
  readonly wape: number
  /** mae over `scale`, the mean over windows; undefined where a window has no scale. */
  readonly mase: number | undefined
  /** By level in percent: the share of values inside. */
  readonly coverage: Readonly<Record<number, number>>
  /** Mean scaled interval score of the widest level. */
  readonly msis: number | undefined
}

/** Metrics of a backtest, for all of it or apart by series, step of the horizon or window. */
export function evaluate(
  { windows, levels }: Backtest,
  { by = 'all' }: { readonly by?: EvaluateBy } = {},
): readonly EvaluationRow[] {
  const groups = new Map<string, Slice[]>()
  const put = (key: string, slice: Slice) => {
    const group = groups.get(key)
    if (group === undefined) groups.set(key, [slice])
    else group.push(slice)
  }
  for (const window of windows) {
    if (by !== 'step')
      put(by === 'all' ? 'all' : by === 'series' ? window.id : `window ${window.window + 1}`, {
        window,
        from: 0,
        to: window.actual.length,
      })
    else for (let step = 0; step < window.actual.length; step++) put(`step ${step + 1}`, { window, from: step, to: step + 1 })
  }
  return Array.from(groups, ([key, slices]) => rowOf(key, slices, levels))
}

/** Steps `from` to `to` of a window. */
interface Slice {
  readonly window: BacktestWindow
  readonly from: number
  readonly to: number
}

function rowOf(key: string, slices: readonly Slice[], levels: readonly number[]): EvaluationRow {
  const joined = (pick: (window: BacktestWindow) => Float64Array) =>
    slices.flatMap(({ window, from, to }) => [...pick(window).subarray(from, to)])
  const actual = joined(({ actual: values }) => values)
  const known = levels.filter((level) => slices.every(({ window }) => window.intervals.has(level)))
  const interval = (level: number) => ({
    lower: joined(({ intervals }) => intervals.get(level)!.lower),
    upper: joined(({ intervals }) => intervals.get(level)!.upper),
  })
  return {
    key,
    values: actual.length,
    ...pointMetrics(
      actual,
      joined(({ mean }) => mean),
    ),
    mase: meanOf(slices, ({ window, from, to }) =>
      window.scale === undefined
        ? undefined
        : pointMetrics(window.actual.subarray(from, to), window.mean.subarray(from, to)).mae / window.scale,
    ),
    coverage: Object.fromEntries(known.map((level) => [level, coverage(actual, interval(level))])),
    msis: known.length === 0 ? undefined : meanOf(slices, (slice) => intervalScore(slice, Math.max(...known))),
  }
}

function intervalScore({ window, from, to }: Slice, level: number): number | undefined {
  const { lower, upper } = window.intervals.get(level)!
  if (window.scale === undefined) return undefined
  const cut = (values: Float64Array) => values.subarray(from, to)
  return scaledIntervalScore(cut(window.actual), { lower: cut(lower), upper: cut(upper) }, { level, scale: window.scale })
}

function meanOf(slices: readonly Slice[], of: (slice: Slice) => number | undefined): number | undefined {
  const values = slices.map(of)
  return values.every((value) => value !== undefined) ? values.reduce((sum, value) => sum + value, 0) / values.length : undefined
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
