import { ShapeError } from '../base/errors.ts'
import { sameShape } from './dimension.ts'
import { add, cast, divide, greaterOrEqual, log, maximum, multiply, negate, scalar, where } from './ops/elementwise.ts'
import { argmax, max, softmax, sum } from './ops/reduction.ts'
import { describeType, type Tensor, type TensorOperand, toTensor } from './tensor.ts'

/** Smallest uniform number that is taken as it is: below it, log(−log u) would overflow. */
const tiniest = 1e-30

/**
 * One sample per row from softmax(logits) by the Gumbel-max trick: argmax(logits − log(−log u)), with no sort and no cumulative sum.
 * Logits and uniform numbers in [0, 1) `[…, class]` → int64 `[…]`. Gumbel 1954; Maddison et al. 2014.
 */
export function sampleCategorical(logits: TensorOperand, uniform: TensorOperand): Tensor {
  const [scores, noise] = [toTensor(logits), toTensor(uniform)]
  if (!sameShape(scores.shape, noise.shape)) {
    throw new ShapeError(`noise ${describeType(noise)} for logits ${describeType(scores)}`, {
      expected: 'one uniform number per logit',
    })
  }
  const gumbel = negate(log(maximum(negate(log(maximum(noise, tiniest))), tiniest)))
  return argmax(add(scores, gumbel))
}

/**
 * Logits outside the nucleus become very negative: kept are the likeliest classes whose mass reaches `topP`, found without a sort by
 * halving an interval of probability thresholds; classes within 2^−steps of the threshold may be kept besides. Holtzman et al. 2020.
 */
export function maskOutsideNucleus(logits: TensorOperand, topP: number, steps = 24): Tensor {
  const scores = toTensor(logits)
  const probabilities = softmax(scores)
  let low: Tensor = multiply(max(probabilities, -1, { keep: true }), 0)
  let high = max(probabilities, -1, { keep: true })
  for (let step = 0; step < steps; step++) {
    const middle = divide(add(low, high), 2)
    const enough = greaterOrEqual(
      sum(multiply(probabilities, cast(greaterOrEqual(probabilities, middle), scores.dtype)), -1, { keep: true }),
      topP,
    )
    low = where(enough, middle, low)
    high = where(enough, high, middle)
  }
  return where(greaterOrEqual(probabilities, low), scores, scalar(-1e9, scores.dtype))
}
