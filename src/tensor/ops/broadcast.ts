import { ShapeError } from '../../base/errors.ts'
import { type Dimension, formatShape, type Shape, sameDimension } from '../dimension.ts'
import type { ReferenceValue } from '../tensor.ts'

/** The shape that two operands broadcast to, numpy's rule. */
export function broadcastShapes(a: Shape, b: Shape): Shape {
  const rank = Math.max(a.length, b.length)
  return Array.from({ length: rank }, (_, axis) => {
    const left = a[axis - rank + a.length] ?? 1
    const right = b[axis - rank + b.length] ?? 1
    return broadcastDimension(left, right, a, b)
  })
}

function broadcastDimension(left: Dimension, right: Dimension, a: Shape, b: Shape): Dimension {
  if (left === 1 || sameDimension(left, right)) return right
  if (right === 1) return left
  throw new ShapeError(`shapes ${formatShape(a)} and ${formatShape(b)} do not broadcast (${left} against ${right})`, {
    expected: 'equal sizes, or 1, counted from the last axis',
  })
}

/** Row-major strides in elements. */
export function stridesOf(shape: readonly number[]): number[] {
  const strides = new Array<number>(shape.length).fill(1)
  for (let axis = shape.length - 2; axis >= 0; axis--) strides[axis] = strides[axis + 1]! * shape[axis + 1]!
  return strides
}

/** Calls `visit(flat, index)` for every index of `shape`, in row-major order. The index array is reused. */
export function forEachIndex(shape: readonly number[], visit: (flat: number, index: readonly number[]) => void): void {
  const index = new Array<number>(shape.length).fill(0)
  const total = shape.reduce((product, size) => product * size, 1)
  for (let flat = 0; flat < total; flat++) {
    visit(flat, index)
    for (let axis = shape.length - 1; axis >= 0 && ++index[axis]! === shape[axis]; axis--) index[axis] = 0
  }
}

/** Flat offset of `index` in a value that broadcasts to the index's shape. */
export function broadcastOffset(shape: readonly number[], strides: readonly number[], index: readonly number[]): number {
  const shift = index.length - shape.length
  let offset = 0
  for (let axis = 0; axis < shape.length; axis++) if (shape[axis] !== 1) offset += strides[axis]! * index[axis + shift]!
  return offset
}

/** Applies `f` to broadcast operands, element by element. */
export function mapBroadcast(
  inputs: readonly ReferenceValue[],
  shape: readonly number[],
  f: (...values: number[]) => number,
): Float64Array {
  const strides = inputs.map((input) => stridesOf(input.shape))
  const out = new Float64Array(shape.reduce((product, size) => product * size, 1))
  forEachIndex(shape, (flat, index) => {
    out[flat] = f(...inputs.map((input, i) => input.data[broadcastOffset(input.shape, strides[i]!, index)]!))
  })
  return out
}
