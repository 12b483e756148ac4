import { isFloat } from '../../base/dtype.ts'
import { DTypeError, OptionError, ShapeError } from '../../base/errors.ts'
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
} from '../tensor.ts'
import { cast, divide, floor, multiply, subtract } from './elementwise.ts'
import { concat, reshape, slice, unsqueeze } from './layout.ts'

/** Bits of one quantised weight. */
export type WeightBits = 4 | 8

export interface QuantizedOptions {
  readonly bits: WeightBits
}

/** What a code stands for is (code − zeroCode) · scale. */
export function zeroCode(bits: WeightBits): number {
  return bits === 4 ? 8 : 128
}

const smallestBlock = 16
const largestBlock = 256

/** Weights per block. Throws OptionError unless bits are 4 or 8 and the block is a power of two that the kernels have. */
export function checkBlocks(blockBytes: Dimension, bits: WeightBits): number {
  if (bits !== 4 && bits !== 8) throw new OptionError(`bits are ${bits}`, { expected: '4 or 8' })
  const blockSize = typeof blockBytes === 'number' ? (blockBytes * 8) / bits : Number.NaN
  if (blockSize >= smallestBlock && blockSize <= largestBlock && Number.isInteger(Math.log2(blockSize))) return blockSize
  throw new OptionError(`blocks of ${blockBytes} bytes with ${bits}-bit weights`, {
    expected: `${smallestBlock} to ${largestBlock} weights per block, a power of two`,
  })
}

/** Checks blocks `[…, block, bytes]` against scales `[…, block]`. Returns weights per block. */
function checkPair(blocks: TensorType, scales: TensorType, { bits }: QuantizedOptions): number {
  if (blocks.dtype !== 'uint8') throw new DTypeError(`blocks are ${blocks.dtype}`, { expected: 'uint8' })
  if (!isFloat(scales.dtype)) throw new DTypeError(`scales are ${scales.dtype}`, { expected: 'a float dtype' })
  const outer = blocks.shape.slice(0, -1)
  const fits = outer.length === scales.shape.length && outer.every((size, axis) => sameDimension(size, scales.shape[axis]!))
  if (blocks.shape.length < 2 || !fits) {
    throw new ShapeError(`blocks ${formatShape(blocks.shape)} and scales ${formatShape(scales.shape)}`, {
      expected: 'blocks […, block, bytes] and one scale per block',
    })
  }
  return checkBlocks(blocks.shape.at(-1)!, bits)
}

type QuantizedAttributes = { readonly bits: WeightBits }

/** x·Ŵᵀ with Ŵ = (code − zero)·scale in blocks along its rows: x `[…, K]`, blocks `[N, ⌈K/block⌉, bytes]`, scales `[N, ⌈K/block⌉]`. */
const matmulQuantizedRow: Op<QuantizedAttributes> = {
  name: 'matmulQuantized',
  infer([x, blocks, scales], attributes) {
    if (!isFloat(x!.dtype)) throw new DTypeError(`x is ${x!.dtype}`, { expected: 'a float dtype' })
    const blockSize = checkPair(blocks!, scales!, attributes)
    if (scales!.dtype !== x!.dtype)
      throw new DTypeError(`x is ${x!.dtype}, scales are ${scales!.dtype}`, { expected: 'equal dtypes' })
    if (x!.shape.length < 2 || blocks!.shape.length !== 3)
      throw new ShapeError(`x ${formatShape(x!.shape)} and blocks ${formatShape(blocks!.shape)}`, {
        expected: 'x of rank ≥ 2, blocks of rank 3',
      })
    const [rows, perRow] = blocks!.shape
    const inner = x!.shape.at(-1)
    if (typeof rows !== 'number' || typeof inner !== 'number' || perRow !== Math.ceil(inner / blockSize)) {
      throw new ShapeError(`x ${formatShape(x!.shape)} for [${rows}, ${perRow}] blocks of ${blockSize} weights`, {
        expected: `rows of ${multiplyDimensions(perRow!, blockSize)} values, or fewer with the last block not full`,
      })
    }
    return { dtype: x!.dtype, shape: [...x!.shape.slice(0, -1), rows] }
  },
  emit: emitMatMulNBits,
  reference: ([x, blocks, scales], attributes, { shape }) => quantizedReference(x!, blocks!, scales!, attributes, shape),
}

/**
 * Blocks that are part of the session take kernels that round x to 8 bits per block of x (accuracy level 4; 1 keeps 32 bits and is
 * about four times slower); blocks that are fed are widened at every run, and x is not rounded.
 */
function emitMatMulNBits(emitter: Emitter, inputs: readonly string[], node: Tensor, { bits }: QuantizedAttributes): string {
  if (node.dtype !== 'float32') throw new DTypeError(`no kernel in ${node.dtype}`, { expected: 'float32' })
  const [rows, , bytes] = node.inputs[1]!.shape as [number, number, number]
  const blockSize = (bytes * 8) / bits
  const attributes = { K: node.inputs[0]!.shape.at(-1) as number, N: rows, bits, block_size: blockSize, accuracy_level: 4 }
  return emitter.node('MatMulNBits', inputs, attributes, 'com.microsoft')
}

/** The code at a place: 8-bit codes are bytes; of two 4-bit codes in a byte, the first is the lower half. */
export function codeAt(blocks: ArrayLike<number>, place: number, bits: WeightBits): number {
  return bits === 8 ? blocks[place]! : (blocks[place >> 1]! >> (4 * (place & 1))) & 15
}

function quantizedReference(
  x: ReferenceValue,
  blocks: ReferenceValue,
  scales: ReferenceValue,
  { bits }: QuantizedAttributes,
  shape: readonly number[],
): Float64Array {
  const [inner, rows] = [x.shape.at(-1)!, shape.at(-1)!]
  const blockSize = (blocks.shape.at(-1)! * 8) / bits
  // Rows are whole blocks, of which the last may not be full.
  const stored = blocks.shape[1]! * blockSize
  const weight = (place: number) =>
    (codeAt(blocks.data, place, bits) - zeroCode(bits)) * scales.data[Math.floor(place / blockSize)]!
  return Float64Array.from({ length: (x.data.length / inner) * rows }, (_, flat) => {
    const [from, row] = [Math.floor(flat / rows) * inner, flat % rows]
    let sum = 0
    for (let k = 0; k < inner; k++) sum += x.data[from + k]! * weight(row * stored + k)
    return sum
  })
}

export const quantized = { matmulQuantized: matmulQuantizedRow } as const

/**
 * x·Ŵᵀ over the last axis, with weights in blocks of 4 or 8 bits: x float32 `[…, K]`, blocks uint8 `[N, ⌈K/block⌉, block·bits/8]`,
 * scales `[N, ⌈K/block⌉]` → `[…, N]`. A weight is (code − 8)·scale or (code − 128)·scale; of two 4-bit codes in a byte, the first is the
 * lower half; the last block of a row need not be full. Where the blocks are part of the session, x is rounded to 8 bits. Gradients reach
 * x and the scales. Throws ShapeError, DTypeError or OptionError.
 */
export function matmulQuantized(
  x: TensorOperand,
  blocks: TensorOperand,
  scales: TensorOperand,
  { bits }: QuantizedOptions,
): Tensor {
  return apply(matmulQuantizedRow, [x, blocks, scales], { bits })
}

/**
 * Codes less their zero, in a float dtype: uint8 `[…, block, bytes]` → `[…, block, weight]`.
 */
export function weightCodes(blocks: Tensor, bits: WeightBits, dtype: Tensor['dtype']): Tensor {
  const bytes = cast(blocks, dtype)
  if (bits === 8) return subtract(bytes, zeroCode(bits))
  const high = floor(divide(bytes, 16))
  const low = subtract(bytes, multiply(high, 16))
  const pairs = concat([unsqueeze(low, -1), unsqueeze(high, -1)], -1)
  return subtract(reshape(pairs, [...blocks.shape.slice(0, -1), multiplyDimensions(blocks.shape.at(-1)!, 2)]), zeroCode(bits))
}

/**
 * The weights that blocks stand for: uint8 `[…, block, bytes]` and scales `[…, block]` → `[…, width]`; the width is that of all blocks
 * unless it is given. Throws ShapeError, DTypeError or OptionError.
 */
export function dequantize(
  blocks: TensorOperand,
  scales: TensorOperand,
  { bits, width }: QuantizedOptions & { readonly width?: number },
): Tensor {
  return located('dequantize', [blocks, scales], (codes, factors) => {
    const blockSize = checkPair(codes!, factors!, { bits })
    const values = multiply(weightCodes(codes!, bits, factors!.dtype), unsqueeze(factors!, -1))
    const whole = multiplyDimensions(codes!.shape.at(-2)!, blockSize)
    const rows = reshape(values, [...codes!.shape.slice(0, -2), whole])
    return width === undefined || width === whole ? rows : slice(rows, -1, 0, width)
  })
}
