import { ShapeError } from '../base/errors.ts'
import { sameShape } from '../tensor/dimension.ts'
import { add, mean, multiply, square, subtract, type Tensor, unsqueeze } from '../tensor/index.ts'
import { describeType } from '../tensor/tensor.ts'

/**
 * What a network says about noisy values: a velocity, or the noise in them. Values `[…, dimension]`; float times with one size for each
 * leading axis of the values, equal to it or 1; hidden states `[…, width]` that say which values → `[…, dimension]`. Compiled, it is what
 * `solve` iterates.
 */
export type Field = (values: Tensor, time: Tensor, hidden: Tensor) => Tensor

/** A head that samples by iterating a field. */
export interface FieldHead {
  readonly dimension: number
  /** Slots of a group that see one another come side by side on the second last axis; `groups` are their sizes, default one for all. */
  field(values: Tensor, time: Tensor, hidden: Tensor, groups?: readonly number[]): Tensor
}

/** Throws ShapeError unless values `[…, dimension]` have the leading axes of the hidden states `[…, width]`. */
export function checkValues(values: Tensor, hidden: Tensor, dimension: number): void {
  if (values.rank > 0 && sameShape(values.shape, [...hidden.shape.slice(0, -1), dimension])) return
  throw new ShapeError(`values ${describeType(values)} for hidden states ${describeType(hidden)}`, {
    expected: `one vector of ${dimension} for each`,
  })
}

/** Throws ShapeError unless noise has the shape of the values, or several draws of it on a first axis. */
export function checkNoise(noise: Tensor, values: Tensor): void {
  const draws = noise.rank === values.rank + 1
  if (sameShape(noise.shape.slice(draws ? 1 : 0), values.shape)) return
  throw new ShapeError(`noise ${describeType(noise)} for values ${describeType(values)}`, {
    expected: 'the same shape, or one axis more in front for several draws',
  })
}

/** signal·values + noise share·noise, with one factor for each vector. */
export function blend(values: Tensor, noise: Tensor, signal: Tensor, share: Tensor): Tensor {
  return add(multiply(unsqueeze(signal, -1), values), multiply(unsqueeze(share, -1), noise))
}

/** Mean squared error of each vector `[…]`, over several draws too where there are any. */
export function vectorError(predicted: Tensor, target: Tensor, values: Tensor): Tensor {
  const errors = mean(square(subtract(predicted, target)), -1)
  return errors.rank === values.rank ? mean(errors, 0) : errors
}
