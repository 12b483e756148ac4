import { type DType, isFloat } from '../../base/dtype.ts'
import { DTypeError, ShapeError } from '../../base/errors.ts'
import { refuseUnknown } from '../../base/options.ts'
import { type Dimension, formatShape, multiplyDimensions } from '../dimension.ts'
import { apply, located, type Op, type ReferenceValue, type Tensor, type TensorOperand, type TensorType } from '../tensor.ts'
import { forEachIndex, stridesOf } from './broadcast.ts'
import { stopGradient } from './control.ts'
import { add, cast, divide, exp, finite, log, subtract, where } from './elementwise.ts'
import { reshape, resolveAxis } from './layout.ts'
import { size } from './leaf.ts'

type Axes = { readonly axes: readonly number[]; readonly keep: boolean }
type Axis = { readonly axis: number }

const arithmetic = (dtype: DType) => isFloat(dtype) || dtype === 'int32' || dtype === 'int64'
const ordered = (dtype: DType) => dtype !== 'bool'

function requireDType({ dtype }: TensorType, fits: (dtype: DType) => boolean): void {
  if (!fits(dtype)) throw new DTypeError(`no ${dtype} form`, { fix: 'convert with cast()' })
}

/** Folds the reduced axes; `initial` starts each fold. */
function reduction(
  name: string,
  onnx: string,
  initial: number,
  fold: (sum: number, x: number) => number,
  dtypes: (dtype: DType) => boolean,
): Op<Axes> {
  return {
    name,
    infer([input], { axes, keep }) {
      requireDType(input!, dtypes)
      const shape = keep
        ? input!.shape.map((dimension, axis) => (axes.includes(axis) ? 1 : dimension))
        : input!.shape.filter((_, axis) => !axes.includes(axis))
      return { dtype: input!.dtype, shape }
    },
    emit: (emitter, [input], _node, { axes, keep }) =>
      emitter.node(onnx, [input!, emitter.integers(axes)], { keepdims: Number(keep) }),
    reference: ([input], { axes }) => foldAxes(input!, axes, initial, fold),
  }
}

function foldAxes(
  input: ReferenceValue,
  axes: readonly number[],
  initial: number,
  fold: (sum: number, x: number) => number,
): Float64Array {
  const kept = input.shape.map((length, axis) => (axes.includes(axis) ? 1 : length))
  const strides = stridesOf(kept)
  const out = new Float64Array(kept.reduce((product, length) => product * length, 1)).fill(initial)
  forEachIndex(input.shape, (flat, index) => {
    const at = index.reduce((sum, i, axis) => sum + (axes.includes(axis) ? 0 : i * strides[axis]!), 0)
    out[at] = fold(out[at]!, input.data[flat]!)
  })
  return out
}

/** Applies `f` to every line along `axis`: in and out are the line's values. */
export function mapLines(input: ReferenceValue, axis: number, f: (line: Float64Array) => ArrayLike<number>): Float64Array {
  const length = input.shape[axis]!
  const stride = stridesOf(input.shape)[axis]!
  const out = new Float64Array(input.data.length)
  for (let start = 0; start < input.data.length; start++) {
    if (Math.floor(start / stride) % length !== 0) continue
    const result = f(Float64Array.from({ length }, (_, i) => input.data[start + i * stride]!))
    for (let i = 0; i < length; i++) out[start + i * stride] = result[i]!
  }
  return out
}

const softmaxRow: Op<Axis> = {
  name: 'softmax',
  infer([input]) {
    requireDType(input!, isFloat)
    return input!
  },
  emit: (emitter, inputs, _node, { axis }) => emitter.node('Softmax', inputs, { axis }),
  reference: ([input], { axis }) => mapLines(input!, axis, (line) => logSoftmaxLine(line).map(Math.exp)),
}

const logSoftmaxRow: Op<Axis> = {
  name: 'logSoftmax',
  infer: softmaxRow.infer,
  emit: (emitter, inputs, _node, { axis }) => emitter.node('LogSoftmax', inputs, { axis }),
  reference: ([input], { axis }) => mapLines(input!, axis, logSoftmaxLine),
}

function logSoftmaxLine(line: Float64Array): Float64Array {
  const peak = line.reduce((a, b) => Math.max(a, b), Number.NEGATIVE_INFINITY)
  const total = peak + Math.log(line.reduce((sum, x) => sum + Math.exp(x - peak), 0))
  return line.map((x) => x - total)
}

const cumulativeSumRow: Op<Axis & { readonly exclusive: boolean; readonly reverse: boolean }> = {
  name: 'cumulativeSum',
  infer([input]) {
    requireDType(input!, arithmetic)
    return input!
  },
  emit: (emitter, [input], _node, { axis, exclusive, reverse }) =>
    emitter.node('CumSum', [input!, emitter.scalar(axis, 'int64')], { exclusive: Number(exclusive), reverse: Number(reverse) }),
  reference: ([input], { axis, exclusive, reverse }) =>
    mapLines(input!, axis, (line) => {
      const ordered = reverse ? line.toReversed() : line
      let sum = 0
      const sums = ordered.map((x) => {
        sum += x
        return exclusive ? sum - x : sum
      })
      return reverse ? sums.toReversed() : sums
    }),
}

const argmaxRow: Op<Axis> = {
  name: 'argmax',
  infer([input], { axis }) {
    requireDType(input!, ordered)
    return { dtype: 'int64', shape: input!.shape.toSpliced(axis, 1) }
  },
  emit: (emitter, inputs, _node, { axis }) => emitter.node('ArgMax', inputs, { axis, keepdims: 0 }),
  reference([input], { axis }, { shape }) {
    const lines = mapLines(input!, axis, (line) => new Array<number>(line.length).fill(line.indexOf(Math.max(...line))))
    const strides = stridesOf(input!.shape)
    const out = new Float64Array(shape.reduce((product, length) => product * length, 1))
    forEachIndex(shape, (flat, index) => {
      out[flat] = lines[index.toSpliced(axis, 0, 0).reduce((sum, i, a) => sum + i * strides[a]!, 0)]!
    })
    return out
  },
}

export const reductions = {
  sum: reduction('sum', 'ReduceSum', 0, (sum, x) => sum + x, arithmetic),
  max: reduction('max', 'ReduceMax', Number.NEGATIVE_INFINITY, Math.max, ordered),
  softmax: softmaxRow,
  logSoftmax: logSoftmaxRow,
  cumulativeSum: cumulativeSumRow,
  argmax: argmaxRow,
} as const

export interface ReduceOptions {
  /** Keep reduced axes with size 1. Default false. */
  readonly keep?: boolean
}

function reduce(op: Op<Axes>) {
  return (x: TensorOperand, axes?: number | readonly number[], options: ReduceOptions = {}): Tensor =>
    located(op.name, [x], (tensor) => {
      const keep = keepsAxes(options)
      const resolved = axesOf(tensor!, axes)
      return resolved.length === 0 ? tensor! : apply(op, [tensor!], { axes: resolved, keep })
    })
}

function keepsAxes(options: ReduceOptions): boolean {
  refuseUnknown(options, ['keep'], 'reduction')
  return options.keep === true
}

function axesOf(tensor: Tensor, axes: number | readonly number[] | undefined): number[] {
  const given = axes === undefined ? tensor.shape.map((_, axis) => axis) : typeof axes === 'number' ? [axes] : axes
  const resolved = [...new Set(given.map((axis) => resolveAxis(axis, tensor.rank)))].sort((a, b) => a - b)
  if (resolved.length !== given.length)
    throw new ShapeError(`axes [${given}] of ${formatShape(tensor.shape)} repeat`, { expected: 'each axis once' })
  return resolved
}

/** Sum over axes (default: all). */
export const sum = reduce(reductions.sum)
/** Largest value over axes (default: all). Ties share the gradient. */
export const max = reduce(reductions.max)

/** Mean over axes (default: all) of floats. */
export function mean(x: TensorOperand, axes?: number | readonly number[], options: ReduceOptions = {}): Tensor {
  return located('mean', [x], (tensor) => {
    // The quotient of integers would be truncated.
    requireDType(tensor!, isFloat)
    const count = axesOf(tensor!, axes)
      .map((axis) => tensor!.shape[axis]!)
      .reduce(multiplyDimensions, 1 as Dimension)
    return divide(sum(tensor!, axes, options), typeof count === 'number' ? count : cast(size(count), tensor!.dtype))
  })
}

/** Applies an op along one axis. */
function along<A extends Axis>(op: Op<A>, x: TensorOperand, axis: number, attributes: Omit<A, 'axis'>): Tensor {
  return located(op.name, [x], (tensor) =>
    apply(op, [tensor!], { ...attributes, axis: resolveAxis(axis, tensor!.rank) } as unknown as A),
  )
}

/** exp(x) normalised along an axis (default: last). */
export function softmax(x: TensorOperand, axis = -1): Tensor {
  return along(softmaxRow, x, axis, {})
}

/** log(softmax(x)) along an axis (default: last). */
export function logSoftmax(x: TensorOperand, axis = -1): Tensor {
  return along(logSoftmaxRow, x, axis, {})
}

/** log Σ exp(x) along an axis (default: last), shifted by the maximum; −∞ where all of x is. */
export function logSumExp(x: TensorOperand, axis = -1, options: ReduceOptions = {}): Tensor {
  return located('logSumExp', [x], (tensor) => {
    const keep = keepsAxes(options)
    const highest = max(stopGradient(tensor!), axis, { keep: true })
    const peak = where(finite(highest), highest, 0)
    const result = add(log(sum(exp(subtract(tensor!, peak)), axis, { keep: true })), peak)
    return keep ? result : reshape(result, tensor!.shape.toSpliced(resolveAxis(axis, tensor!.rank), 1))
  })
}

export interface CumulativeOptions {
  /** Leave the element itself out of its sum. Default false. */
  readonly exclusive?: boolean
  /** Sum from the end. Default false. */
  readonly reverse?: boolean
}

/** Running sum along an axis. */
export function cumulativeSum(x: TensorOperand, axis: number, options: CumulativeOptions = {}): Tensor {
  return located('cumulativeSum', [x], (tensor) => {
    refuseUnknown(options, ['exclusive', 'reverse'], 'cumulativeSum')
    return along(cumulativeSumRow, tensor!, axis, { exclusive: options.exclusive === true, reverse: options.reverse === true })
  })
}

/** Index (int64) of the first largest value along an axis (default: last). */
export function argmax(x: TensorOperand, axis = -1): Tensor {
  return along(argmaxRow, x, axis, {})
}
