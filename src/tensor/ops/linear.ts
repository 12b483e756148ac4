import { isFloat } from '../../base/dtype.ts'
import { DTypeError, OptionError, ShapeError } from '../../base/errors.ts'
import { refuseUnknown } from '../../base/options.ts'
import { type Dimension, formatShape, type Shape, sameDimension } from '../dimension.ts'
import { apply, type Emitter, located, type Op, type ReferenceValue, type Tensor, type TensorOperand } from '../tensor.ts'
import { broadcastOffset, broadcastShapes, forEachIndex, stridesOf } from './broadcast.ts'

type MatmulAttributes = { readonly transposeA: boolean; readonly transposeB: boolean; readonly scale: number }

/** Rows and columns of a matrix operand after its transposition. */
function matrixSizes(shape: Shape, transposed: boolean): [Dimension, Dimension] {
  const [rows, columns] = [shape.at(-2)!, shape.at(-1)!]
  return transposed ? [columns, rows] : [rows, columns]
}

const matmulRow: Op<MatmulAttributes> = {
  name: 'matmul',
  infer([a, b], { transposeA, transposeB }) {
    if (a!.dtype !== b!.dtype || !isFloat(a!.dtype))
      throw new DTypeError(`operands are ${a!.dtype} and ${b!.dtype}`, { expected: 'one float dtype' })
    if (a!.shape.length < 2 || b!.shape.length < 2) throw new ShapeError('operands must be matrices', { expected: 'rank ≥ 2' })
    const [rows, inner] = matrixSizes(a!.shape, transposeA)
    const [innerB, columns] = matrixSizes(b!.shape, transposeB)
    if (!sameDimension(inner, innerB)) {
      throw new ShapeError(`inner sizes ${inner} and ${innerB} of ${formatShape(a!.shape)} and ${formatShape(b!.shape)} differ`, {
        expected: 'equal inner sizes',
      })
    }
    return { dtype: a!.dtype, shape: [...broadcastShapes(a!.shape.slice(0, -2), b!.shape.slice(0, -2)), rows, columns] }
  },
  emit: emitMatmul,
  reference: ([a, b], attributes, { shape }) => matmulReference(a!, b!, attributes, shape),
}

function emitMatmul(
  emitter: Emitter,
  inputs: readonly string[],
  node: Tensor,
  { transposeA, transposeB, scale }: MatmulAttributes,
): string {
  const [a, b] = node.inputs
  if (!transposeA && !transposeB && scale === 1) return emitter.node('MatMul', inputs)
  const attributes = { transA: Number(transposeA), transB: Number(transposeB), alpha: { float: scale } }
  // ONNX keeps alpha in 32 bits.
  const exact = node.dtype !== 'float64' || Math.fround(scale) === scale
  if (a!.rank === 2 && b!.rank === 2 && exact) return emitter.node('Gemm', inputs, attributes)
  if (node.dtype === 'float32') return emitter.node('FusedMatMul', inputs, attributes, 'com.microsoft')
  return emitTransposedMatmul(emitter, inputs, node, { transposeA, transposeB, scale })
}

function emitTransposedMatmul(
  emitter: Emitter,
  [a, b]: readonly string[],
  node: Tensor,
  { transposeA, transposeB, scale }: MatmulAttributes,
): string {
  const swap = (value: string, rank: number) => emitter.node('Transpose', [value], { perm: swappedAxes(rank) })
  const left = transposeA ? swap(a!, node.inputs[0]!.rank) : a!
  const right = transposeB ? swap(b!, node.inputs[1]!.rank) : b!
  const product = emitter.node('MatMul', [left, right])
  return scale === 1 ? product : emitter.node('Mul', [product, emitter.scalar(scale, node.dtype)])
}

function swappedAxes(rank: number): number[] {
  return [...Array.from({ length: rank - 2 }, (_, axis) => axis), rank - 1, rank - 2]
}

function matmulReference(
  a: ReferenceValue,
  b: ReferenceValue,
  { transposeA, transposeB, scale }: MatmulAttributes,
  shape: readonly number[],
): Float64Array {
  const [stridesA, stridesB] = [stridesOf(a.shape), stridesOf(b.shape)]
  const [rowA, innerA] = transposeA ? [stridesA.at(-1)!, stridesA.at(-2)!] : [stridesA.at(-2)!, stridesA.at(-1)!]
  const [innerB, columnB] = transposeB ? [stridesB.at(-1)!, stridesB.at(-2)!] : [stridesB.at(-2)!, stridesB.at(-1)!]
  const inner = a.shape.at(transposeA ? -2 : -1)!
  const out = new Float64Array(shape.reduce((product, length) => product * length, 1))
  forEachIndex(shape, (flat, index) => {
    const batch = index.slice(0, -2)
    const startA = broadcastOffset(a.shape.slice(0, -2), stridesA, batch) + index.at(-2)! * rowA
    const startB = broadcastOffset(b.shape.slice(0, -2), stridesB, batch) + index.at(-1)! * columnB
    let sum = 0
    for (let k = 0; k < inner; k++) sum += a.data[startA + k * innerA]! * b.data[startB + k * innerB]!
    out[flat] = scale * sum
  })
  return out
}

export const linear = { matmul: matmulRow } as const

export interface MatmulOptions {
  /** Use aᵀ (last two axes). Default false. */
  readonly transposeA?: boolean
  /** Use bᵀ (last two axes). Default false. */
  readonly transposeB?: boolean
  /** Multiplies the product. Default 1. */
  readonly scale?: number
}

/** scale · a·b over the last two axes; leading axes broadcast. Throws ShapeError, DTypeError or OptionError. */
export function matmul(a: TensorOperand, b: TensorOperand, options: MatmulOptions = {}): Tensor {
  return located('matmul', [a, b], () => {
    refuseUnknown(options, ['transposeA', 'transposeB', 'scale'], 'matmul')
    const { transposeA = false, transposeB = false, scale = 1 } = options
    if (!Number.isFinite(scale)) throw new OptionError(`scale is ${scale}`, { expected: 'a finite number' })
    return apply(matmulRow, [a, b], { transposeA, transposeB, scale })
  })
}
