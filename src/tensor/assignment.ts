import { ShapeError } from '../base/errors.ts'
import { sameDimension, sameShape } from './dimension.ts'
import { describeType, type Tensor, type TensorOperand, toTensor } from './tensor.ts'
import type { Variable } from './variable.ts'

/** A variable's next value. */
export type Assignment =
  | { readonly kind: 'whole'; readonly variable: Variable; readonly value: Tensor }
  | {
      readonly kind: 'rows'
      readonly variable: Variable
      readonly value: Tensor
      readonly axis: number
      readonly starts: Tensor
      readonly counts: Tensor
    }

/** Gives `variable` a new value when the program runs; everything in the program still reads the old one. */
export function assign(variable: Variable, value: TensorOperand): Assignment {
  const next = toTensor(value)
  if (next.dtype !== variable.dtype || !sameShape(next.shape, variable.shape)) {
    throw new ShapeError(`cannot assign ${describeType(next)} to variable ${variable.label}`, { expected: describeType(variable) })
  }
  return { kind: 'whole', variable, value: next }
}

/**
 * Overwrites part of `variable` along an axis, after the program has run: for each index b of the first axis,
 * `value[b, …, 0:counts[b], …]` goes to `variable[b, …, starts[b]:starts[b]+counts[b], …]`. `starts` and `counts` are int32 inputs
 * `[batch]` of the program. This is how caches grow without being copied.
 */
export function assignRows(variable: Variable, value: TensorOperand, axis: number, starts: Tensor, counts: Tensor): Assignment {
  const rows = toTensor(value)
  if (!Number.isInteger(axis) || axis < 1 || axis >= variable.shape.length)
    throw new ShapeError(`rows of variable ${variable.label} along axis ${axis}`, {
      expected: `an axis in [1, ${variable.shape.length - 1}]`,
    })
  const fits =
    rows.rank === variable.shape.length && rows.shape.every((size, a) => a === axis || sameDimension(size, variable.shape[a]!))
  if (!fits || rows.dtype !== variable.dtype) {
    throw new ShapeError(`cannot assign rows ${describeType(rows)} to variable ${variable.label}`, {
      expected: `${describeType(variable)} but for axis ${axis}`,
    })
  }
  for (const index of [starts, counts]) {
    const counts = index.op.name === 'input' && index.rank === 1 && (index.dtype === 'int32' || index.dtype === 'int64')
    if (!counts) throw new ShapeError(`${index} cannot place rows`, { expected: 'an int32 input [batch] of the program' })
  }
  return { kind: 'rows', variable, value: rows, axis, starts, counts }
}
