import { ShapeError } from '../../base/errors.ts'
import {
  addDimensions,
  type Dimension,
  divideDimensions,
  formatShape,
  type Shape,
  type SymbolicDimension,
  sameDimension,
  sameShape,
  shapeSize,
  subtractDimensions,
  toDimension,
} from '../dimension.ts'
import { apply, located, type Op, type ReferenceContext, type Tensor, type TensorOperand } from '../tensor.ts'
import { broadcastOffset, broadcastShapes, forEachIndex, stridesOf } from './broadcast.ts'

type SizeLike = number | string | SymbolicDimension

/** An axis counted from the front; negative axes count from the back. */
export function resolveAxis(axis: number, rank: number): number {
  const resolved = axis < 0 ? axis + rank : axis
  if (!Number.isInteger(axis) || resolved < 0 || resolved >= rank) {
    throw new ShapeError(`axis ${axis} does not exist`, { expected: `an integer in [${-rank}, ${rank - 1}]` })
  }
  return resolved
}

export interface SliceAttributes extends Record<string, unknown> {
  readonly axis: number
  readonly start: Dimension
  readonly end: Dimension
}

export interface PadAttributes extends Record<string, unknown> {
  readonly axis: number
  readonly before: Dimension
  readonly after: Dimension
}

/** A symbolic size is trusted here and checked when a program runs. */
function isSize(size: Dimension): boolean {
  return typeof size !== 'number' || (Number.isInteger(size) && size >= 0)
}

const reshapeRow: Op<{ shape: Shape }> = {
  name: 'reshape',
  movement: true,
  infer([input], { shape }) {
    if (!sameDimension(shapeSize(input!.shape), shapeSize(shape))) {
      throw new ShapeError(`cannot reshape ${formatShape(input!.shape)} to ${formatShape(shape)}`, {
        expected: 'equally many elements',
      })
    }
    return { dtype: input!.dtype, shape }
  },
  // A size that is 0 must stay 0 instead of meaning "as before"; where one size is inferred, no other can be 0.
  emit: (emitter, [input], _node, { shape }) =>
    emitter.node('Reshape', [input!, emitter.reshapeSizes(shape)], { allowzero: Number(!canInfer(shape)) }),
  reference: ([input]) => input!.data,
}

/** Exactly one size is unknown and no other is 0, so that the runtime can infer it. */
export function canInfer(shape: Shape): boolean {
  return shape.filter((size) => typeof size !== 'number').length === 1 && !shape.includes(0)
}

const transposeRow: Op<{ permutation: readonly number[] }> = {
  name: 'transpose',
  movement: true,
  infer([input], { permutation }) {
    const sorted = [...permutation].sort((a, b) => a - b)
    if (permutation.length !== input!.shape.length || sorted.some((axis, i) => axis !== i)) {
      throw new ShapeError(`[${permutation}] does not permute the axes of ${formatShape(input!.shape)}`, {
        expected: 'each axis once',
      })
    }
    return { dtype: input!.dtype, shape: permutation.map((axis) => input!.shape[axis]!) }
  },
  emit: (emitter, inputs, _node, { permutation }) => emitter.node('Transpose', inputs, { perm: permutation }),
  reference([input], { permutation }, { shape }) {
    const strides = stridesOf(input!.shape)
    return gatherByIndex(shape, (index) => input!.data[index.reduce((sum, i, axis) => sum + i * strides[permutation[axis]!]!, 0)]!)
  },
}

const expandRow: Op<{ shape: Shape }> = {
  name: 'expand',
  movement: true,
  infer([input], { shape }) {
    if (!sameShape(broadcastShapes(input!.shape, shape), shape)) {
      throw new ShapeError(`${formatShape(input!.shape)} does not expand to ${formatShape(shape)}`, {
        expected: 'sizes equal or 1',
      })
    }
    return { dtype: input!.dtype, shape }
  },
  emit: (emitter, [input], _node, { shape }) => emitter.node('Expand', [input!, emitter.sizes(shape)]),
  reference([input], _attributes, { shape }) {
    const strides = stridesOf(input!.shape)
    return gatherByIndex(shape, (index) => input!.data[broadcastOffset(input!.shape, strides, index)]!)
  },
}

const sliceRow: Op<SliceAttributes> = {
  name: 'slice',
  movement: true,
  infer([input], { axis, start, end }) {
    const size = subtractDimensions(end, start)
    const length = input!.shape[axis]!
    const beyond = typeof end === 'number' && typeof length === 'number' && end > length
    if (beyond || !isSize(start) || !isSize(end) || !isSize(size)) {
      throw new ShapeError(`[${start}, ${end}) is not inside axis ${axis} of ${formatShape(input!.shape)}`, {
        expected: 'integers 0 ≤ start ≤ end ≤ size',
      })
    }
    return { dtype: input!.dtype, shape: input!.shape.with(axis, size) }
  },
  emit: (emitter, [input], _node, { axis, start, end }) =>
    emitter.node('Slice', [input!, emitter.sizes([start]), emitter.sizes([end]), emitter.integers([axis])]),
  reference([input], { axis, start }, context) {
    const strides = stridesOf(input!.shape)
    const shift = context.size(start) * strides[axis]!
    return gatherByIndex(context.shape, (index) => input!.data[index.reduce((sum, i, a) => sum + i * strides[a]!, shift)]!)
  },
}

const padRow: Op<PadAttributes> = {
  name: 'pad',
  infer([input], { axis, before, after }) {
    if (!isSize(before) || !isSize(after)) throw new ShapeError(`${before} before and ${after} after`, { expected: 'integers ≥ 0' })
    const size = addDimensions(addDimensions(input!.shape[axis]!, before), after)
    return { dtype: input!.dtype, shape: input!.shape.with(axis, size) }
  },
  emit(emitter, [input], { rank }, { axis, before, after }) {
    // All axes are named: where the runtime moves a transposition past the node, it takes a shorter list for a full one, and fails.
    const none = new Array<Dimension>(rank).fill(0)
    return emitter.node('Pad', [input!, emitter.sizes([...none.with(axis, before), ...none.with(axis, after)])], {
      mode: 'constant',
    })
  },
  reference([input], { axis, before }, context) {
    const strides = stridesOf(input!.shape)
    const shift = context.size(before)
    return gatherByIndex(context.shape, (index) => {
      const at = index[axis]! - shift
      if (at < 0 || at >= input!.shape[axis]!) return 0
      return input!.data[index.reduce((sum, i, a) => sum + (a === axis ? at : i) * strides[a]!, 0)]!
    })
  },
}

const concatRow: Op<{ axis: number }> = {
  name: 'concat',
  infer(inputs, { axis }) {
    const [first, ...others] = inputs
    for (const other of others) {
      const fits =
        other.shape.length === first!.shape.length &&
        other.shape.every((size, a) => a === axis || sameDimension(size, first!.shape[a]!))
      if (!fits || other.dtype !== first!.dtype) {
        throw new ShapeError(`cannot join ${formatShape(first!.shape)} and ${formatShape(other.shape)} along axis ${axis}`, {
          expected: 'one dtype, and equal sizes of the other axes',
        })
      }
    }
    const size = inputs.map((input) => input.shape[axis]!).reduce(addDimensions)
    return { dtype: first!.dtype, shape: first!.shape.with(axis, size) }
  },
  emit: (emitter, inputs, _node, { axis }) => emitter.node('Concat', inputs, { axis }),
  reference: (inputs, { axis }, context) => concatReference(inputs, axis, context),
}

export const layout = {
  reshape: reshapeRow,
  transpose: transposeRow,
  expand: expandRow,
  slice: sliceRow,
  pad: padRow,
  concat: concatRow,
} as const

function gatherByIndex(shape: readonly number[], at: (index: readonly number[]) => number): Float64Array {
  const out = new Float64Array(shape.reduce((product, size) => product * size, 1))
  forEachIndex(shape, (flat, index) => {
    out[flat] = at(index)
  })
  return out
}

function concatReference(
  inputs: readonly { shape: readonly number[]; data: Float64Array }[],
  axis: number,
  context: ReferenceContext,
) {
  let total = 0
  const ends = inputs.map((input) => {
    total += input.shape[axis]!
    return total
  })
  const strides = inputs.map((input) => stridesOf(input.shape))
  return gatherByIndex(context.shape, (index) => {
    const which = ends.findIndex((end) => index[axis]! < end)
    const start = which === 0 ? 0 : ends[which - 1]!
    const offset = index.reduce((sum, i, a) => sum + (a === axis ? i - start : i) * strides[which]![a]!, 0)
    return inputs[which]!.data[offset]!
  })
}

/** The same elements in another shape; one size may be -1 (inferred). */
export function reshape(x: TensorOperand, shape: readonly SizeLike[]): Tensor {
  return located('reshape', [x], (tensor) => {
    const resolved = resolveUnknown(tensor!.shape, shape)
    return sameShape(resolved, tensor!.shape) ? tensor! : apply(reshapeRow, [tensor!], { shape: resolved })
  })
}

function resolveUnknown(from: Shape, to: readonly SizeLike[]): Shape {
  const unknown = to.indexOf(-1)
  if (unknown < 0) return to.map(toDimension)
  const others = to.filter((_, axis) => axis !== unknown).map(toDimension)
  const size = quotient(from, others)
  if (size === undefined) {
    throw new ShapeError(`cannot infer -1 when reshaping ${formatShape(from)} to [${to.join(', ')}]`, {
      expected: 'sizes that divide the total exactly',
    })
  }
  return [...others.slice(0, unknown), size, ...others.slice(unknown)]
}

/** Product of one list of sizes over that of another. Equal sizes are crossed out first: sums like `T+C` divide only themselves. */
function quotient(numerators: Shape, denominators: Shape): Dimension | undefined {
  const left = [...numerators]
  const right = denominators.filter((size) => {
    const at = left.findIndex((other) => sameDimension(size, other))
    if (at >= 0) left.splice(at, 1)
    return at < 0
  })
  return divideDimensions(shapeSize(left), shapeSize(right))
}

/** Axes in a new order. Default: the last two swapped. */
export function transpose(x: TensorOperand, permutation?: readonly number[]): Tensor {
  return located('transpose', [x], (tensor) =>
    apply(transposeRow, [tensor!], { permutation: permutation === undefined ? swapLastTwo(tensor!.rank) : [...permutation] }),
  )
}

function swapLastTwo(rank: number): number[] {
  if (rank < 2) throw new ShapeError(`a tensor of rank ${rank} has no two axes to swap`, { expected: 'rank ≥ 2' })
  const axes = Array.from({ length: rank }, (_, axis) => axis)
  return [...axes.slice(0, -2), rank - 1, rank - 2]
}

/** Repeats axes of size 1 to the given shape. */
export function expand(x: TensorOperand, shape: readonly SizeLike[]): Tensor {
  return located('expand', [x], (tensor) => {
    const target = shape.map(toDimension)
    return sameShape(target, tensor!.shape) ? tensor! : apply(expandRow, [tensor!], { shape: target })
  })
}

/** Elements `[start, end)` of one axis; negative positions count from the end of an axis. */
export function slice(x: TensorOperand, axis: number, start: Dimension, end?: Dimension): Tensor {
  return located('slice', [x], (tensor) => {
    const at = resolveAxis(axis, tensor!.rank)
    const size = tensor!.shape[at]!
    const fromEnd = (position: Dimension) =>
      typeof position === 'number' && position < 0 ? addDimensions(size, position) : position
    return apply(sliceRow, [tensor!], { axis: at, start: fromEnd(start), end: fromEnd(end ?? size) })
  })
}

/** Zeros before and after along one axis. */
export function pad(x: TensorOperand, axis: number, before: Dimension, after: Dimension): Tensor {
  return located('pad', [x], (tensor) => apply(padRow, [tensor!], { axis: resolveAxis(axis, tensor!.rank), before, after }))
}

/** Tensors one after another along an axis. */
export function concat(tensors: readonly TensorOperand[], axis: number): Tensor {
  return located('concat', tensors, (...all) => {
    if (all.length === 0) throw new ShapeError('nothing to join', { expected: 'at least one tensor' })
    const at = resolveAxis(axis, all[0]!.rank)
    return all.length === 1 ? all[0]! : apply(concatRow, all, { axis: at })
  })
}

/** Consecutive pieces of an axis with the given sizes, or `count` equal ones. */
export function split(x: TensorOperand, axis: number, sizes: number | readonly Dimension[]): Tensor[] {
  return located('split', [x], (tensor) => {
    const total = tensor!.shape[resolveAxis(axis, tensor!.rank)]!
    const pieces = typeof sizes === 'number' ? equalPieces(total, sizes) : sizes
    if (!sameDimension(pieces.reduce(addDimensions, 0 as Dimension), total)) {
      throw new ShapeError(`pieces [${pieces.join(', ')}] do not add up to ${total}`, { expected: 'sizes that cover the axis' })
    }
    const starts = pieces.map((_, i) => pieces.slice(0, i).reduce(addDimensions, 0 as Dimension))
    return pieces.map((size, i) => slice(tensor!, axis, starts[i]!, addDimensions(starts[i]!, size)))
  })
}

function equalPieces(total: Dimension, count: number): Dimension[] {
  const size = divideDimensions(total, count)
  if (size === undefined || !Number.isInteger(count) || count < 1)
    throw new ShapeError(`${total} does not split into ${count} equal pieces`, { expected: 'a divisor of the size' })
  return new Array<Dimension>(count).fill(size)
}

/** Inserts an axis of size 1. */
export function unsqueeze(x: TensorOperand, axis: number): Tensor {
  return located('unsqueeze', [x], (tensor) => reshape(tensor!, tensor!.shape.toSpliced(resolveAxis(axis, tensor!.rank + 1), 0, 1)))
}

/** Removes an axis of size 1. */
export function squeeze(x: TensorOperand, axis: number): Tensor {
  return located('squeeze', [x], (tensor) => {
    const at = resolveAxis(axis, tensor!.rank)
    if (tensor!.shape[at] !== 1) throw new ShapeError(`axis ${axis} has size ${tensor!.shape[at]}`, { expected: '1' })
    return reshape(tensor!, tensor!.shape.toSpliced(at, 1))
  })
}
