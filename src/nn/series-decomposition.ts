import { OptionError } from '../base/errors.ts'
import {
  add,
  concat,
  cumulativeSum,
  expand,
  mean,
  multiply,
  pad,
  slice,
  stopGradient,
  subtract,
  type Tensor,
  type TensorOperand,
} from '../tensor/index.ts'
import { toTensor } from '../tensor/tensor.ts'
import { checkSizes } from './sizes.ts'

export interface DecomposedSeries {
  /** x − trend. */
  readonly season: Tensor
  readonly trend: Tensor
}

/**
 * Mean of the `kernel` steps around each step of x `[batch, time, channel]`, whose first and last steps are repeated beyond its ends: the
 * same shape. Differences of one running sum, so that the cost does not depend on the kernel. Throws OptionError unless the kernel is odd.
 */
export function movingAverage(x: TensorOperand, kernel: number): Tensor {
  checkKernel(kernel)
  const series = toTensor(x)
  if (kernel === 1) return series
  // Averages keep a constant, so the level may be taken out first: running sums then stay small, and exact in 32 bits.
  const level = stopGradient(mean(series, 1, { keep: true }))
  const sums = pad(cumulativeSum(repeatEnds(subtract(series, level), (kernel - 1) / 2), 1), 1, 1, 0)
  const windows = subtract(slice(sums, 1, kernel), slice(sums, 1, 0, -kernel))
  return add(multiply(windows, 1 / kernel), level)
}

/** A series' moving average, and what is left without it. Wu et al. 2021 (Autoformer), section 3.1. Throws as `movingAverage` does. */
export function decomposeSeries(x: TensorOperand, kernel: number): DecomposedSeries {
  const trend = movingAverage(x, kernel)
  return { season: subtract(x, trend), trend }
}

/** The first and the last step `times` more often. */
function repeatEnds(x: Tensor, times: number): Tensor {
  const shape = x.shape.with(1, times)
  return concat([expand(slice(x, 1, 0, 1), shape), x, expand(slice(x, 1, -1), shape)], 1)
}

function checkKernel(kernel: number): void {
  checkSizes({ kernel })
  if (kernel % 2 === 0) {
    throw new OptionError(`kernel is ${kernel}`, { expected: 'an odd number of steps', fix: `take ${kernel - 1} or ${kernel + 1}` })
  }
}
