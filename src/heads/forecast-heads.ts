import jstat from 'jstat'
import { DataError, OptionError } from '../base/errors.ts'
import { softplus } from '../nn/index.ts'
import {
  abs,
  add,
  concat,
  divide,
  log,
  maximum,
  mean,
  minimum,
  multiply,
  negate,
  slice,
  square,
  squeeze,
  subtract,
  type Tensor,
} from '../tensor/index.ts'
import { logGamma, softplusOfOne } from './smooth.ts'

/** How the values to come are distributed, each apart, given what a network says of it. */
export interface ForecastHead {
  readonly kind: string
  /** Numbers that a network says of one value. */
  readonly outputs: number
  /** The first ones are locations, which a network may add to; the very first is the one that `mean` gives. */
  readonly locations: number
  /** Whether it says more than a location. */
  readonly probabilistic: boolean
  /** Whether the mean is the very first output, in the unit of the values: weights and parts of that are weights and parts of the mean. */
  readonly linear: boolean
  /** Parameters of the distribution from what a network says `[…, output]`, whose unit is a window's `deviation` from its `mean` (each `[…, 1]`). */
  parameters(output: Tensor, mean: Tensor, deviation: Tensor): Tensor
  /** Mean loss of parameters `[…, output]` against values `[…]`. */
  loss(parameters: Tensor, target: Tensor): Tensor
  /** Parameters of a value's distribution when the value is `x·spread + center`. */
  unscaled(parameters: Float64Array, center: number, spread: number): Float64Array
  mean(parameters: Float64Array): number
  /** Throws OptionError on quantiles that it does not know. */
  quantile(parameters: Float64Array, share: number): number
  /** The least and the largest share whose quantile it knows; what is drawn lies between these quantiles. */
  readonly range: readonly [least: number, most: number]
  /** Throws DataError on values that it cannot hold. */
  checkValues?(values: Float64Array): void
}

/** `[…, output]` → `[…]`. */
function column(parameters: Tensor, index: number): Tensor {
  return squeeze(slice(parameters, -1, index, index + 1), -1)
}

function shifted(parameters: Float64Array, center: number, spread: number): Float64Array {
  return parameters.map((value) => value * spread + center)
}

/** What a point is judged by: squares (the mean is learnt), absolute differences (the median), or Huber's, squares up to 1. */
export type PointLoss = 'squared' | 'absolute' | 'huber'

/** A location alone. */
export function pointHead(loss: PointLoss = 'squared'): ForecastHead {
  const ofError: Readonly<Record<PointLoss, (error: Tensor) => Tensor>> = { squared: square, absolute: abs, huber }
  return {
    kind: 'point',
    range: [0.5, 0.5],
    outputs: 1,
    locations: 1,
    probabilistic: false,
    linear: true,
    parameters: (output, center, deviation) => add(multiply(output, deviation), center),
    loss: (parameters, target) => mean(ofError[loss](subtract(column(parameters, 0), target))),
    unscaled: shifted,
    mean: ([location]) => location!,
    quantile() {
      throw new OptionError('a point has no quantiles', { fix: "a distribution such as 'quantile' or 'gaussian'" })
    },
  }
}

/** ½e² up to 1, |e| − ½ beyond. Huber 1964. */
function huber(error: Tensor): Tensor {
  const size = abs(error)
  const near = minimum(size, 1)
  return add(multiply(square(near), 0.5), subtract(size, near))
}

const usualShares = [0.025, 0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 0.975]

/**
 * Quantiles of given shares, learnt by the pinball loss; what lies between is on the line between neighbours, and none crosses its neighbour on the median's
 * side. Koenker & Bassett 1978; Wen et al. 2017.
 */
export function quantileHead(shares: readonly number[] = usualShares): ForecastHead {
  const sorted = [...shares].sort((a, b) => a - b)
  if (!sorted.includes(0.5) || sorted[0]! <= 0 || sorted.at(-1)! >= 1)
    throw new OptionError(`quantiles ${sorted.join(', ')}`, { expected: 'numbers between 0 and 1, 0.5 among them' })
  const order = [0.5, ...sorted.filter((share) => share !== 0.5)]
  return {
    kind: 'quantile',
    range: [sorted[0]!, sorted.at(-1)!],
    outputs: sorted.length,
    locations: sorted.length,
    probabilistic: true,
    linear: true,
    parameters: (output, center, deviation) => add(multiply(output, deviation), center),
    loss(parameters, target) {
      const losses = order.map((share, i) => {
        const error = subtract(target, column(parameters, i))
        return mean(maximum(multiply(error, share), multiply(error, share - 1)))
      })
      return divide(
        losses.reduce((sum, each) => add(sum, each)),
        sorted.length,
      )
    },
    unscaled: shifted,
    mean: ([median]) => median!,
    quantile: (parameters, share) => between(sorted, uncrossed(parameters, sorted.indexOf(0.5)), share),
  }
}

/** Values of a median, which comes first, and of the other quantiles, ascending, as ascending values: the median stays as it is. */
function uncrossed([median, ...others]: Float64Array, middle: number): readonly number[] {
  const values = [...others.slice(0, middle), median!, ...others.slice(middle)]
  for (let i = middle - 1; i >= 0; i--) values[i] = Math.min(values[i]!, values[i + 1]!)
  for (let i = middle + 1; i < values.length; i++) values[i] = Math.max(values[i]!, values[i - 1]!)
  return values
}

function between(shares: readonly number[], values: readonly number[], share: number): number {
  const [least, most] = [shares[0]!, shares.at(-1)!]
  if (share < least - 1e-9 || share > most + 1e-9)
    throw new OptionError(`the quantile ${share} of a head that has learnt ${least} to ${most}`, {
      expected: `levels up to ${(100 * (most - least)).toFixed(0)}`,
      fix: 'a narrower level, or another distribution',
    })
  const above = Math.max(
    1,
    shares.findIndex((each) => each >= share - 1e-9),
  )
  const [a, b] = [shares[above - 1]!, shares[above]!]
  const left = (b - share) / (b - a)
  return values[above]! + left * (values[above - 1]! - values[above]!)
}

/** Scales are at least this share of a window's deviation: a series that stands still has no finite likelihood. */
const scaleFloor = 1e-3

/** Location and scale from two outputs; scales begin near the window's deviation. */
function placed(output: Tensor, center: Tensor, deviation: Tensor): Tensor[] {
  const location = add(multiply(slice(output, -1, 0, 1), deviation), center)
  const scale = multiply(add(softplus(add(slice(output, -1, 1, 2), softplusOfOne)), scaleFloor), deviation)
  return [location, scale]
}

/** All but what no double tells from 0 and 1. */
const nearlyAll = [1e-12, 1 - 1e-12] as const

/** A normal distribution. */
export function gaussianHead(): ForecastHead {
  return {
    kind: 'gaussian',
    range: nearlyAll,
    outputs: 2,
    locations: 1,
    probabilistic: true,
    linear: true,
    parameters: (output, center, deviation) => concat(placed(output, center, deviation), -1),
    loss(parameters, target) {
      const [location, scale] = [column(parameters, 0), column(parameters, 1)]
      const standardised = divide(subtract(target, location), scale)
      return mean(add(add(log(scale), multiply(square(standardised), 0.5)), Math.log(2 * Math.PI) / 2))
    },
    unscaled: ([location, scale], center, spread) => Float64Array.of(location! * spread + center, scale! * spread),
    mean: ([location]) => location!,
    quantile: ([location, scale], share) => location! + scale! * jstat.normal.inv(share, 0, 1),
  }
}

/** Student's t, with more than two degrees of freedom, so that it has a variance. */
export function studentHead(): ForecastHead {
  return {
    kind: 'student-t',
    range: nearlyAll,
    outputs: 3,
    locations: 1,
    probabilistic: true,
    linear: true,
    parameters(output, center, deviation) {
      const freedom = add(softplus(add(slice(output, -1, 2, 3), 3)), 2)
      return concat([...placed(output, center, deviation), freedom], -1)
    },
    loss(parameters, target) {
      const [location, scale, freedom] = [0, 1, 2].map((i) => column(parameters, i)) as [Tensor, Tensor, Tensor]
      const half = multiply(add(freedom, 1), 0.5)
      const standardised = square(divide(subtract(target, location), scale))
      const tail = multiply(half, log(add(divide(standardised, freedom), 1)))
      const constant = add(
        subtract(logGamma(multiply(freedom, 0.5)), logGamma(half)),
        multiply(log(multiply(freedom, Math.PI)), 0.5),
      )
      return mean(add(add(tail, constant), log(scale)))
    },
    unscaled: ([location, scale, freedom], center, spread) =>
      Float64Array.of(location! * spread + center, scale! * spread, freedom!),
    mean: ([location]) => location!,
    quantile: ([location, scale, freedom], share) => location! + scale! * jstat.studentt.inv(share, freedom!),
  }
}

/**
 * Counts: mean m and variance m + α·m². Values must not be scaled. Salinas et al. 2020 (DeepAR), section 3.1.
 */
export function negativeBinomialHead(): ForecastHead {
  return {
    kind: 'negative-binomial',
    range: nearlyAll,
    outputs: 2,
    locations: 1,
    probabilistic: true,
    linear: false,
    parameters(output, center, deviation) {
      const rate = add(softplus(add(multiply(slice(output, -1, 0, 1), deviation), center)), 1e-4)
      return concat([rate, add(softplus(slice(output, -1, 1, 2)), 1e-3)], -1)
    },
    loss(parameters, target) {
      const [rate, dispersion] = [column(parameters, 0), column(parameters, 1)]
      const size = divide(1, dispersion)
      const excess = log(add(multiply(rate, dispersion), 1))
      const counts = subtract(subtract(logGamma(add(target, size)), logGamma(size)), logGamma(add(target, 1)))
      const observed = multiply(target, subtract(log(multiply(rate, dispersion)), excess))
      return mean(negate(add(counts, subtract(observed, multiply(size, excess)))))
    },
    unscaled(parameters, center, spread) {
      if (center !== 0 || spread !== 1) throw new OptionError('counts that were scaled', { expected: "scaler: 'none'" })
      return parameters
    },
    mean: ([rate]) => rate!,
    quantile: ([rate, dispersion], share) => countQuantile(rate!, 1 / dispersion!, share),
    checkValues(values) {
      const bad = values.find((value) => !(value >= 0 && Number.isInteger(value)))
      if (bad !== undefined)
        throw new DataError(`the value ${bad} is no count`, { expected: 'whole numbers from 0 on', fix: 'another distribution' })
    },
  }
}

/** The least count whose cumulative probability reaches a share; NaN where the distribution is none. */
function countQuantile(rate: number, size: number, share: number): number {
  const success = size / (size + rate)
  if (!(success > 0)) return Number.NaN
  const reaches = (count: number) => jstat.ibeta(success, size, count + 1) >= share
  let high = 1
  while (high < Number.MAX_SAFE_INTEGER && !reaches(high)) high *= 2
  let low = -1
  while (high - low > 1) {
    const middle = Math.floor((low + high) / 2)
    if (reaches(middle)) high = middle
    else low = middle
  }
  return high
}

/** The value at a uniform number of [0, 1). */
export function drawnFrom({ range: [least, most], quantile }: ForecastHead, parameters: Float64Array, uniform: number): number {
  return quantile(parameters, Math.min(most, Math.max(least, uniform)))
}
