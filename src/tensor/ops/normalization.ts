import { isFloat } from '../../base/dtype.ts'
import { DTypeError, OptionError, ShapeError } from '../../base/errors.ts'
import { formatShape, sameDimension } from '../dimension.ts'
import { apply, type Op, type ReferenceValue, type Tensor, type TensorOperand, type TensorType } from '../tensor.ts'

/** Rounded to 32 bits, as ONNX keeps it. */
type Epsilon = { readonly epsilon: number }

function checkScale([input, ...scales]: readonly TensorType[], { epsilon }: Epsilon): TensorType {
  if (!(epsilon >= 0 && epsilon < Number.POSITIVE_INFINITY))
    throw new OptionError(`epsilon is ${epsilon}`, { expected: 'a number ≥ 0' })
  if (input!.shape.length === 0) throw new ShapeError('a scalar has no last axis', { expected: 'rank ≥ 1' })
  if (!isFloat(input!.dtype)) throw new DTypeError(`no ${input!.dtype} form`, { expected: 'a float dtype' })
  for (const { shape, dtype } of scales) {
    if (shape.length !== 1 || !sameDimension(shape[0]!, input!.shape.at(-1)!) || dtype !== input!.dtype) {
      throw new ShapeError(`scale or bias ${dtype}${formatShape(shape)} does not fit`, {
        expected: `${input!.dtype}[${input!.shape.at(-1)}]`,
      })
    }
  }
  return input!
}

function mapRows(input: ReferenceValue, f: (row: Float64Array) => Float64Array): Float64Array {
  const width = input.shape.at(-1)!
  const out = new Float64Array(input.data.length)
  for (let start = 0; start < out.length; start += width) out.set(f(input.data.subarray(start, start + width)), start)
  return out
}

const average = (row: Float64Array) => row.reduce((sum, x) => sum + x, 0) / row.length

/** (x − mean) / √(variance + ε) · scale (+ bias) over the last axis. Ba et al. 2016. */
const layerNormRow: Op<Epsilon> = {
  name: 'layerNorm',
  infer: checkScale,
  emit: (emitter, inputs, _node, { epsilon }) =>
    emitter.node('LayerNormalization', inputs, { axis: -1, epsilon: { float: epsilon } }),
  reference([input, scale, bias], { epsilon }) {
    return mapRows(input!, (row) => {
      const center = average(row)
      const deviation = Math.sqrt(average(row.map((x) => (x - center) ** 2)) + epsilon)
      return row.map((x, i) => ((x - center) / deviation) * scale!.data[i]! + (bias?.data[i] ?? 0))
    })
  },
}

/** x / √(mean(x²) + ε) · scale over the last axis. Zhang & Sennrich 2019. */
const rmsNormRow: Op<Epsilon> = {
  name: 'rmsNorm',
  infer: checkScale,
  // A contrib op of ONNX Runtime that lives in the default domain; the standard RMSNormalization needs opset 23.
  emit: (emitter, inputs, _node, { epsilon }) =>
    emitter.node('SimplifiedLayerNormalization', inputs, { axis: -1, epsilon: { float: epsilon } }),
  reference([input, scale], { epsilon }) {
    return mapRows(input!, (row) => {
      const deviation = Math.sqrt(average(row.map((x) => x * x)) + epsilon)
      return row.map((x, i) => (x / deviation) * scale!.data[i]!)
    })
  },
}

export const normalization = { layerNorm: layerNormRow, rmsNorm: rmsNormRow } as const

/** Layer normalisation over the last axis; `scale` and `bias` are `[channel]`. */
export function layerNorm(x: TensorOperand, scale: TensorOperand, bias: TensorOperand | undefined, epsilon: number): Tensor {
  return apply(layerNormRow, bias === undefined ? [x, scale] : [x, scale, bias], { epsilon: Math.fround(epsilon) })
}

/** Root-mean-square normalisation over the last axis; `scale` is `[channel]`. */
export function rmsNorm(x: TensorOperand, scale: TensorOperand, epsilon: number): Tensor {
  return apply(rmsNormRow, [x, scale], { epsilon: Math.fround(epsilon) })
}
