import { isFloat } from '../../base/dtype.ts'
import { DTypeError, OptionError, ShapeError } from '../../base/errors.ts'
import { refuseUnknown } from '../../base/options.ts'
import { type Dimension, formatShape, multiplyDimensions, sameDimension } from '../dimension.ts'
import {
  apply,
  type Emitter,
  located,
  type Op,
  type ReferenceValue,
  type Tensor,
  type TensorOperand,
  type TensorType,
  toTensor,
} from '../tensor.ts'
import { forEachIndex, stridesOf } from './broadcast.ts'

/** One number per spatial axis. */
export interface ConvolutionAttributes extends Record<string, unknown> {
  readonly strides: readonly number[]
  readonly dilations: readonly number[]
  /** Zeros before and after each spatial axis. */
  readonly before: readonly number[]
  readonly after: readonly number[]
  readonly groups: number
}

export interface TransposedAttributes extends ConvolutionAttributes {
  /** Added behind each spatial axis of the result, which strides leave open. */
  readonly extra: readonly number[]
}

/** x `[batch, channel, …space]`, w `[output, channel / groups, …kernel]`. */
const convolutionRow: Op<ConvolutionAttributes> = {
  name: 'convolution',
  infer([x, w], attributes) {
    const space = checkOperands(x!, w!, attributes)
    const [outputs, perGroup] = w!.shape
    if (!sameDimension(multiplyDimensions(perGroup!, attributes.groups), x!.shape[1]!)) refuseChannels(x!, w!, attributes.groups)
    checkGroups(outputs!, attributes.groups)
    return {
      dtype: x!.dtype,
      shape: [x!.shape[0]!, outputs!, ...space.map((size, i) => convolvedSize(size, kernelOf(w!, i), attributes, i))],
    }
  },
  emit: (emitter, inputs, node, attributes) => emitConvolution('Conv', emitter, inputs, node, attributes, {}),
  reference([x, w], attributes, { shape }) {
    const out = new Float64Array(shape.reduce((product, size) => product * size, 1))
    forEachTap(x!, w!, shape, attributes, (input, weight, output) => {
      out[output] = out[output]! + x!.data[input]! * w!.data[weight]!
    })
    return out
  },
}

/** The transpose of a convolution: x `[batch, channel, …space]`, w `[channel, output / groups, …kernel]`. */
const transposedRow: Op<TransposedAttributes> = {
  name: 'transposedConvolution',
  infer([x, w], attributes) {
    const space = checkOperands(x!, w!, attributes)
    const [channels, perGroup] = w!.shape
    if (!sameDimension(channels!, x!.shape[1]!)) refuseChannels(x!, w!, attributes.groups)
    checkGroups(channels!, attributes.groups)
    const sizes = space.map((size, i) => transposedSize(size, kernelOf(w!, i), attributes, i))
    return { dtype: x!.dtype, shape: [x!.shape[0]!, multiplyDimensions(perGroup!, attributes.groups), ...sizes] }
  },
  emit: (emitter, inputs, node, attributes) =>
    emitConvolution('ConvTranspose', emitter, inputs, node, attributes, { output_padding: attributes.extra }),
  reference([x, w], attributes, { shape }) {
    // A convolution of the result's shape would read out[input] for x[output]: here it is the other way round.
    const out = new Float64Array(shape.reduce((product, size) => product * size, 1))
    forEachTap({ shape, data: out }, w!, x!.shape, attributes, (input, weight, output) => {
      out[input] = out[input]! + x!.data[output]! * w!.data[weight]!
    })
    return out
  },
}

export const convolutions = { convolution: convolutionRow, transposedConvolution: transposedRow } as const

function emitConvolution(
  opType: 'Conv' | 'ConvTranspose',
  emitter: Emitter,
  inputs: readonly string[],
  node: Tensor,
  { strides, dilations, before, after, groups }: ConvolutionAttributes,
  more: Readonly<Record<string, readonly number[]>>,
): string {
  if (node.dtype === 'float64') throw new DTypeError(`${opType} has no float64 kernel in ONNX Runtime`, { fix: 'cast to float32' })
  return emitter.node(opType, inputs, { strides, dilations, pads: [...before, ...after], group: groups, ...more })
}

/** Calls `visit(input place, weight place, output place)` for every product of a convolution. */
function forEachTap(
  input: ReferenceValue,
  weight: ReferenceValue,
  outputShape: readonly number[],
  { strides, dilations, before, groups }: ConvolutionAttributes,
  visit: (input: number, weight: number, output: number) => void,
): void {
  const [inputStrides, outputStrides] = [stridesOf(input.shape), stridesOf(outputShape)]
  const [outputs, perGroup, ...kernel] = weight.shape as [number, number, ...number[]]
  const perOutputGroup = outputs / groups
  forEachIndex([outputShape[0]!, ...weight.shape], (_flat, [batch, output, channel, ...tap]) => {
    const first = Math.floor(output! / perOutputGroup) * perGroup + channel!
    const weightPlace =
      (output! * perGroup + channel!) * kernel.reduce((a, b) => a * b, 1) + tap.reduce((sum, t, i) => sum * kernel[i]! + t, 0)
    forEachIndex(outputShape.slice(2), (_place, position) => {
      const source = position.map((p, i) => p * strides[i]! + tap[i]! * dilations[i]! - before[i]!)
      if (source.some((s, i) => s < 0 || s >= input.shape[i + 2]!)) return
      const at = (strideOf: readonly number[], c: number, where: readonly number[]) =>
        batch! * strideOf[0]! + c * strideOf[1]! + where.reduce((sum, p, i) => sum + p * strideOf[i + 2]!, 0)
      visit(at(inputStrides, first, source), weightPlace, at(outputStrides, output!, position))
    })
  })
}

function checkOperands(x: TensorType, w: TensorType, { strides }: ConvolutionAttributes): number[] {
  if (x.dtype !== w.dtype || !isFloat(x.dtype))
    throw new DTypeError(`operands are ${x.dtype} and ${w.dtype}`, { expected: 'one float dtype' })
  const rank = strides.length + 2
  if (x.shape.length !== rank || w.shape.length !== rank) {
    throw new ShapeError(`operands ${formatShape(x.shape)} and ${formatShape(w.shape)}`, { expected: `rank ${rank}` })
  }
  return x.shape.slice(2).map(staticSize)
}

function staticSize(size: Dimension): number {
  if (typeof size === 'number') return size
  throw new ShapeError(`the spatial size ${size} is not known while tracing`, {
    expected: 'a number',
    fix: 'only the batch may be open',
  })
}

function kernelOf(w: TensorType, axis: number): number {
  return staticSize(w.shape[axis + 2]!)
}

function convolvedSize(
  size: number,
  kernel: number,
  { strides, dilations, before, after }: ConvolutionAttributes,
  i: number,
): number {
  const room = size + before[i]! + after[i]! - dilations[i]! * (kernel - 1) - 1
  if (room < 0) throw new ShapeError(`a kernel of ${kernel} does not fit an axis of ${size}`, { fix: 'pad the axis' })
  return Math.floor(room / strides[i]!) + 1
}

function transposedSize(
  size: number,
  kernel: number,
  { strides, dilations, before, after, extra }: TransposedAttributes,
  i: number,
): number {
  // The convolution whose transpose this is would have given another size.
  if (extra[i]! >= strides[i]!)
    throw new ShapeError(`output padding ${extra[i]} with stride ${strides[i]}`, { expected: 'less than the stride' })
  const result = (size - 1) * strides[i]! + dilations[i]! * (kernel - 1) + 1 - before[i]! - after[i]! + extra[i]!
  if (result < 1) throw new ShapeError(`the result's axis ${i} would have size ${result}`, { fix: 'pad less' })
  return result
}

function checkGroups(channels: Dimension, groups: number): void {
  if (typeof channels === 'number' && channels % groups !== 0)
    throw new ShapeError(`${groups} groups of ${channels} channels`, { expected: 'a divisor' })
}

function refuseChannels(x: TensorType, w: TensorType, groups: number): never {
  throw new ShapeError(`channels of ${formatShape(x.shape)} and ${formatShape(w.shape)} with ${groups} groups do not fit`)
}

export interface ConvolutionOptions {
  /** Default 1. */
  readonly stride?: number | readonly number[]
  /** Default 1. */
  readonly dilation?: number | readonly number[]
  /** Zeros on both sides of each axis, or `[before, after]` per axis. Default 0. */
  readonly padding?: number | readonly (readonly [number, number])[]
  /** Default 1. */
  readonly groups?: number
}

export interface TransposedConvolutionOptions extends ConvolutionOptions {
  /** Added behind each axis of the result; less than the stride. Default 0. */
  readonly outputPadding?: number | readonly number[]
}

const optionNames = ['stride', 'dilation', 'padding', 'groups']

function attributesOf(axes: number, options: ConvolutionOptions): ConvolutionAttributes {
  refuseUnknown(options, optionNames, 'convolution')
  const { stride = 1, dilation = 1, padding = 0, groups = 1 } = options
  const pads = typeof padding === 'number' ? Array.from({ length: axes }, () => [padding, padding] as const) : padding
  if (!pads.every((pair) => Array.isArray(pair) && pair.length === 2))
    throw new OptionError(`padding ${JSON.stringify(padding)}`, { expected: 'a number, or [before, after] per axis' })
  const side = (at: 0 | 1) =>
    perAxis(
      pads.map((pair) => pair[at]!),
      axes,
      0,
      'padding',
    )
  return {
    strides: perAxis(stride, axes, 1, 'stride'),
    dilations: perAxis(dilation, axes, 1, 'dilation'),
    before: side(0),
    after: side(1),
    groups: perAxis(groups, 1, 1, 'groups')[0]!,
  }
}

function perAxis(value: number | readonly number[], axes: number, least: number, what: string): readonly number[] {
  const values = typeof value === 'number' ? new Array<number>(axes).fill(value) : value
  if (values.length === axes && values.every((x) => Number.isSafeInteger(x) && x >= least)) return values
  throw new OptionError(`${what} ${JSON.stringify(value)}`, { expected: `${axes} integer(s) ≥ ${least}` })
}

const plain =
  (axes: number) =>
  (x: TensorOperand, w: TensorOperand, options: ConvolutionOptions = {}): Tensor =>
    located('convolution', [x, w], () => apply(convolutionRow, [x, w], attributesOf(axes, options)))

const transposed =
  (axes: number) =>
  (x: TensorOperand, w: TensorOperand, options: TransposedConvolutionOptions = {}): Tensor =>
    located('transposedConvolution', [x, w], () => {
      const { outputPadding = 0, ...rest } = options
      return apply(transposedRow, [x, w], { ...attributesOf(axes, rest), extra: perAxis(outputPadding, axes, 0, 'outputPadding') })
    })

/** x `[batch, channel, length]` with w `[output, channel / groups, kernel]` (cross-correlation, as in every neural library). */
export const conv1d = plain(1)
/** x `[batch, channel, y, x]` with w `[output, channel / groups, y, x]` (cross-correlation). */
export const conv2d = plain(2)
/** The transpose of conv1d: x `[batch, channel, length]` with w `[channel, output / groups, kernel]`. */
export const convTranspose1d = transposed(1)
/** The transpose of conv2d: x `[batch, channel, y, x]` with w `[channel, output / groups, y, x]`. */
export const convTranspose2d = transposed(2)

/** ∂/∂x of a convolution: the transposed convolution that gives x its shape back. */
export function convolutionInputGradient(gradient: Tensor, x: Tensor, w: Tensor, attributes: ConvolutionAttributes): Tensor {
  const bare = { ...attributes, extra: attributes.strides.map(() => 0) }
  const extra = attributes.strides.map(
    (_, i) => (x.shape[i + 2] as number) - transposedSize(gradient.shape[i + 2] as number, kernelOf(w, i), bare, i),
  )
  return apply(transposedRow, [gradient, w], { ...attributes, extra })
}

/** ∂/∂x of a transposed convolution: the convolution itself. */
export function transposedInputGradient(gradient: Tensor, w: Tensor, { extra: _, ...attributes }: TransposedAttributes): Tensor {
  return apply(convolutionRow, [gradient, w], attributes)
}

/** A convolution row with given attributes, for the gradient rules. */
export function convolve(x: TensorOperand, w: TensorOperand, attributes: ConvolutionAttributes): Tensor {
  return apply(convolutionRow, [toTensor(x), toTensor(w)], attributes)
}
