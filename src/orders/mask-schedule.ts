import { OptionError } from '../base/errors.ts'
import { refuseUnknown } from '../base/options.ts'
import type { Rng } from '../base/rng.ts'
import { erf } from '../tensor/special.ts'
import { upTo } from './slot-list.ts'

/** Shares of values that are still masked after a share `progress` of the steps: 1 at 0, 0 at 1. */
const curves = {
  cosine: (progress: number) => Math.cos((Math.PI / 2) * progress),
  linear: (progress: number) => 1 - progress,
  square: (progress: number) => 1 - progress ** 2,
  cubic: (progress: number) => 1 - progress ** 3,
  root: (progress: number) => 1 - Math.sqrt(progress),
} as const

/** Named by what falls with progress: `square` is 1 − progress², `root` 1 − √progress. Source: MaskGIT, arXiv:2202.04200, section 3.3. */
export type MaskCurve = keyof typeof curves

/** A normal distribution cut off to [least, most]. */
export interface TruncatedNormal {
  readonly mean: number
  readonly deviation: number
  readonly least: number
  readonly most: number
}

/** Mask rates of MAR, arXiv:2406.11838: mostly masked, at least 70%. */
export const mostlyMasked: TruncatedNormal = { mean: 1, deviation: 0.25, least: 0.7, most: 1 }

/**
 * How many values are still masked after each of `steps` steps, of `values` that are masked at first: the curve's share rounded down, but
 * every step settles at least one value and the last one all of them.
 * Throws OptionError on more steps than values, an unknown curve, and a function that leaves [0, 1], rises, or does not end at 0.
 * @example
 * maskSchedule('linear', { values: 8, steps: 4 }) // 6, 4, 2, 0
 */
export function maskSchedule(
  curve: MaskCurve | ((progress: number) => number),
  { values, steps }: { readonly values: number; readonly steps: number },
): Int32Array {
  checkCount('values', values, 1)
  checkCount('steps', steps, 1)
  if (steps > values) throw new OptionError(`${steps} steps for ${values} values`, { expected: 'at most one step per value' })
  const shares = sharesOf(typeof curve === 'function' ? curve : curveNamed(curve), steps)
  const counts = new Int32Array(steps)
  let before = values
  for (const [step, share] of shares.entries()) {
    const later = steps - 1 - step
    // rounding errors must not lose a value: (1 − 0.9) · 10 is just below 1
    before = Math.min(before - 1, Math.max(later, Math.floor(share * values + 1e-9)))
    counts[step] = before
  }
  return counts
}

/**
 * Checks counts of still masked values as `maskSchedule` returns them, for schedules made by hand.
 * Throws OptionError unless they are whole, fall with every step from below `values`, and end at 0: no value may be skipped.
 */
export function checkMaskCounts(counts: ArrayLike<number>, values: number): Int32Array {
  checkCount('values', values, 1)
  if (counts.length === 0) throw new OptionError('a mask schedule without steps', { expected: 'at least one step' })
  let before = values
  for (let step = 0; step < counts.length; step++) {
    const count = counts[step]!
    if (!Number.isSafeInteger(count) || count < 0 || count >= before)
      throw new OptionError(`${count} values are masked after step ${step + 1}`, {
        expected: `a whole number below the ${before} before it`,
      })
    before = count
  }
  if (before > 0) throw new OptionError(`the mask schedule skips ${before} values`, { expected: 'none masked after the last step' })
  return Int32Array.from(counts)
}

/**
 * The share of values to mask of one training sample. A curve is read at a uniform number, so that training meets the shares that decoding
 * by this curve does; a truncated normal is drawn from by inversion. Reads index 0 of the stream.
 * Throws OptionError on an unknown curve, bounds outside [0, 1], or bounds that the distribution practically never meets.
 * @example
 * maskRate('cosine', rng) // cos(π/2 · rng.uniformAt(0))
 */
export function maskRate(rate: MaskCurve | TruncatedNormal, rng: Rng): number {
  const uniform = rng.uniformAt(0)
  return typeof rate === 'string' ? curveNamed(rate)(uniform) : truncatedQuantile(rate, uniform)
}

/** How many of `values` a rate masks: the nearest number, at least 1. Throws OptionError unless 0 ≤ rate ≤ 1. */
export function maskedCount(rate: number, values: number): number {
  checkCount('values', values, 1)
  if (!(rate >= 0 && rate <= 1)) throw new OptionError(`the mask rate is ${rate}`, { expected: '0 to 1' })
  return Math.max(1, Math.round(rate * values))
}

export interface KnownChoice {
  readonly values: number
  /** How many are to be masked. */
  readonly masked: number
  /** One entry per value: 1 where it is given, never masked. */
  readonly given?: ArrayLike<number>
}

/**
 * `[value]`: 0 at `masked` values chosen at random, every choice equally likely; 1 at all others. Choices of fewer by the same generator
 * are subsets: a random order of decoding is this function over the counts of a schedule.
 * Throws OptionError when nothing is to be masked, or more than is not given.
 */
export function chooseKnown(rng: Rng, { values, masked, given }: KnownChoice): Uint8Array {
  checkCount('values', values, 1)
  checkCount('masked', masked, 1)
  if (given !== undefined && given.length !== values)
    throw new OptionError(`given has ${given.length} entries`, { expected: `${values}, one per value` })
  const free = upTo(values).filter((value) => !given?.[value])
  if (masked > free.length)
    throw new OptionError(`${masked} values are to be masked`, { expected: `at most the ${free.length} that are not given` })
  const known = new Uint8Array(values).fill(1)
  for (const index of rng.permutation(free.length).subarray(0, masked)) known[free[index]!] = 0
  return known
}

function curveNamed(name: MaskCurve): (progress: number) => number {
  if (Object.hasOwn(curves, name)) return curves[name]
  throw new OptionError(`unknown mask curve '${String(name)}'`, { expected: Object.keys(curves).join(', ') })
}

function sharesOf(curve: (progress: number) => number, steps: number): number[] {
  const shares = Array.from({ length: steps }, (_, step) => curve((step + 1) / steps))
  let before = 1
  for (const [step, share] of shares.entries()) {
    if (!(share >= -1e-9 && share <= before + 1e-9))
      throw new OptionError(`the mask curve is ${share} at step ${step + 1} of ${steps}`, { expected: 'shares from 1 down to 0' })
    before = share
  }
  if (before > 1e-9) throw new OptionError(`the mask curve ends at ${before}`, { expected: '0: no value may be skipped' })
  return shares
}

/** The number below which a share `uniform` of the truncated distribution lies, by bisection. */
function truncatedQuantile(distribution: TruncatedNormal, uniform: number): number {
  refuseUnknown(distribution, ['mean', 'deviation', 'least', 'most'], 'mask rate')
  const { mean, deviation, least, most } = distribution
  const below = (x: number) => (1 + erf((x - mean) / (deviation * Math.SQRT2))) / 2
  const mass = below(most) - below(least)
  const sound = Number.isFinite(mean) && deviation > 0 && least >= 0 && most <= 1 && least < most && mass > 1e-9
  if (!sound)
    throw new OptionError(`mask rates are ${JSON.stringify(distribution)}`, {
      expected: '0 ≤ least < most ≤ 1, a positive deviation, and a mean near them',
    })
  const share = below(least) + uniform * mass
  let [low, high] = [least, most]
  for (let halving = 0; halving < 60; halving++) {
    const middle = (low + high) / 2
    if (below(middle) < share) low = middle
    else high = middle
  }
  return (low + high) / 2
}

function checkCount(name: string, count: number, least: number): void {
  if (!Number.isSafeInteger(count) || count < least)
    throw new OptionError(`${name} is ${count}`, { expected: `a whole number, ${least} or more` })
}
