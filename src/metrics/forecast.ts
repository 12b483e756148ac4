import jstat from 'jstat'
import { DataError, MismatchError, OptionError } from '../base/errors.ts'

type Numbers = ArrayLike<number>

/** Errors of forecasts against what came, over all values given. */
export interface PointMetrics {
  /** Mean squared error. */
  readonly mse: number
  /** Mean absolute error. */
  readonly mae: number
  /** √mse. */
  readonly rmse: number
  /** 200 · mean |y − ŷ| / (|y| + |ŷ|), in percent; 0 where both are 0. */
  readonly smape: number
  /** Σ|y − ŷ| / Σ|y|; infinite where all y are 0. */
  readonly wape: number
}

/** Throws MismatchError on lengths that differ, DataError on nothing at all. */
export function pointMetrics(actual: Numbers, forecast: Numbers): PointMetrics {
  checkLengths(actual, forecast)
  let [squares, absolutes, shares, total] = [0, 0, 0, 0]
  for (let i = 0; i < actual.length; i++) {
    const [y, f] = [actual[i]!, forecast[i]!]
    squares += (y - f) ** 2
    absolutes += Math.abs(y - f)
    total += Math.abs(y)
    shares += y === 0 && f === 0 ? 0 : Math.abs(y - f) / (Math.abs(y) + Math.abs(f))
  }
  const count = actual.length
  return {
    mse: squares / count,
    mae: absolutes / count,
    rmse: Math.sqrt(squares / count),
    smape: (200 * shares) / count,
    wape: absolutes / total,
  }
}

/**
 * Mean absolute difference between values a season apart: what MASE divides by. Hyndman & Koehler 2006. Throws DataError when the history is not
 * longer than a season, or is the same season after season.
 */
export function seasonalScale(history: Numbers, season: number): number {
  if (history.length <= season)
    throw new DataError(`${history.length} values for a season of ${season}`, { expected: 'more values than a season has' })
  let sum = 0
  for (let i = season; i < history.length; i++) sum += Math.abs(history[i]! - history[i - season]!)
  if (sum === 0)
    throw new DataError('the history repeats itself exactly, so that errors cannot be scaled by it', {
      expected: 'a history that varies',
    })
  return sum / (history.length - season)
}

/**
 * Pinball loss of a quantile q: q·(y − f) where f is too low, (1 − q)·(f − y) where it is too high; the mean. Throws OptionError unless 0 < q < 1.
 */
export function pinballLoss(actual: Numbers, forecast: Numbers, quantile: number): number {
  checkLengths(actual, forecast)
  if (!(quantile > 0 && quantile < 1)) throw new OptionError(`quantile ${quantile}`, { expected: 'between 0 and 1' })
  let sum = 0
  for (let i = 0; i < actual.length; i++) {
    const apart = actual[i]! - forecast[i]!
    sum += Math.max(quantile * apart, (quantile - 1) * apart)
  }
  return sum / actual.length
}

/** Continuous ranked probability score, as twice the mean pinball loss over quantiles evenly from 0 to 1. */
export function quantileScore(actual: Numbers, forecasts: ReadonlyMap<number, Numbers>): number {
  if (forecasts.size === 0) throw new DataError('no quantiles', { expected: 'at least one' })
  const losses = Array.from(forecasts, ([quantile, values]) => pinballLoss(actual, values, quantile))
  return (2 * losses.reduce((sum, loss) => sum + loss, 0)) / losses.length
}

/**
 * Mean over quantiles of twice the sum of pinball losses, over Σ|y|: the quantile score in shares of what came, for series of different sizes. Infinite
 * where all y are 0.
 */
export function weightedQuantileLoss(actual: Numbers, forecasts: ReadonlyMap<number, Numbers>): number {
  let total = 0
  for (let i = 0; i < actual.length; i++) total += Math.abs(actual[i]!)
  return (quantileScore(actual, forecasts) * actual.length) / total
}

export interface Interval {
  readonly lower: Numbers
  readonly upper: Numbers
}

/** Share of values inside their intervals. */
export function coverage(actual: Numbers, { lower, upper }: Interval): number {
  checkLengths(actual, lower)
  checkLengths(actual, upper)
  let inside = 0
  for (let i = 0; i < actual.length; i++) if (actual[i]! >= lower[i]! && actual[i]! <= upper[i]!) inside++
  return inside / actual.length
}

/**
 * Where the share of a binomial variable lies that was found `inside` times out of `count`, with 95 % confidence: Clopper & Pearson 1934. Counts as
 * independent what is not where windows overlap or errors last, so that it is then narrower than it should be. Throws OptionError unless both are
 * counts and `inside` is at most `count`.
 */
export function binomialInterval(inside: number, count: number): readonly [number, number] {
  if (!(Number.isSafeInteger(inside) && Number.isSafeInteger(count) && inside >= 0 && count > 0 && inside <= count))
    throw new OptionError(`${inside} of ${count}`, { expected: 'counts, the first not above the second' })
  return [
    inside === 0 ? 0 : jstat.beta.inv(0.025, inside, count - inside + 1),
    inside === count ? 1 : jstat.beta.inv(0.975, inside + 1, count - inside),
  ]
}

/**
 * Mean interval score over `scale` (that of MASE): the width, plus 2/α times the distance by which values lie outside. Gneiting & Raftery 2007;
 * α = 1 − level / 100. Throws OptionError unless 0 < level < 100.
 */
export function scaledIntervalScore(
  actual: Numbers,
  { lower, upper }: Interval,
  { level, scale }: { readonly level: number; readonly scale: number },
): number {
  checkLengths(actual, lower)
  checkLengths(actual, upper)
  if (!(level > 0 && level < 100)) throw new OptionError(`level ${level}`, { expected: 'between 0 and 100' })
  const alpha = 1 - level / 100
  let sum = 0
  for (let i = 0; i < actual.length; i++) {
    const [y, low, high] = [actual[i]!, lower[i]!, upper[i]!]
    sum += high - low + (2 / alpha) * (Math.max(0, low - y) + Math.max(0, y - high))
  }
  return sum / actual.length / scale
}

function checkLengths(actual: Numbers, other: Numbers): void {
  if (actual.length === 0) throw new DataError('nothing to compare', { expected: 'at least one value' })
  if (actual.length !== other.length)
    throw new MismatchError(`${actual.length} values and ${other.length} forecasts`, { expected: 'as many' })
}
