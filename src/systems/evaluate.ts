import {
  binomialInterval,
  coverage,
  pointMetrics,
  quantileScore,
  scaledIntervalScore,
  weightedQuantileLoss,
} from '../metrics/index.ts'
import type { Backtest, BacktestWindow } from './cross-validate.ts'

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
  /** By level: where the share would lie with many more values, with 95 % confidence (Clopper & Pearson); narrower than it should be where windows overlap. */
  readonly coverageInterval: Readonly<Record<number, readonly [number, number]>>
  /** Mean scaled interval score of the widest level. */
  readonly msis: number | undefined
  /**
   * Continuous ranked probability score, as twice the mean pinball loss over the quantiles 0.05, 0.10, … 0.95 but for the median; undefined without
   * intervals. Of a forecast without any spread it would be mae.
   */
  readonly crps: number | undefined
  /** crps times the values, over the sum of their sizes. */
  readonly wql: number | undefined
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
  const { crps, wql } = quantileScores(actual, slices)
  const shares = known.map((level) => [level, coverage(actual, interval(level))] as const)
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
    coverage: Object.fromEntries(shares),
    coverageInterval: Object.fromEntries(
      shares.map(([level, share]) => [level, binomialInterval(Math.round(share * actual.length), actual.length)]),
    ),
    crps,
    wql,
    msis: known.length === 0 ? undefined : meanOf(slices, (slice) => intervalScore(slice, Math.max(...known))),
  }
}

function quantileScores(actual: readonly number[], slices: readonly Slice[]) {
  const shares = [...slices[0]!.window.quantiles.keys()]
  const known = shares.filter((share) => slices.every(({ window }) => window.quantiles.has(share)))
  if (known.length === 0) return { crps: undefined, wql: undefined }
  const quantiles = new Map(
    known.map((share) => [share, slices.flatMap(({ window, from, to }) => [...window.quantiles.get(share)!.subarray(from, to)])]),
  )
  return { crps: quantileScore(actual, quantiles), wql: weightedQuantileLoss(actual, quantiles) }
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
