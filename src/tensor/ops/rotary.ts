import { DTypeError, OptionError, ShapeError } from '../../base/errors.ts'
import { formatShape, sameDimension } from '../dimension.ts'
import { apply, located, type Op, type ReferenceValue, type Tensor, type TensorOperand, type TensorType } from '../tensor.ts'

type RotaryAttributes = { readonly heads: number }

/** Pairs (i, i + half) of each head's first channels, turned by angles that a table gives; the other channels stay. */
const rotaryRow: Op<RotaryAttributes> = {
  name: 'rotatePairs',
  infer([x, places, cosine, sine], { heads }) {
    if (x!.dtype !== 'float32' || cosine!.dtype !== 'float32' || sine!.dtype !== 'float32')
      throw new DTypeError(`x is ${x!.dtype}, the tables are ${cosine!.dtype} and ${sine!.dtype}`, { expected: 'float32' })
    if (places!.dtype !== 'int64') throw new DTypeError(`places are ${places!.dtype}`, { expected: 'int64' })
    checkRotary([x!, places!, cosine!, sine!], heads)
    return { dtype: x!.dtype, shape: x!.shape }
  },
  emit(emitter, inputs, node, { heads }) {
    const [x, , cosine] = node.inputs
    const [width, half] = [(x!.shape[2] as number) / heads, cosine!.shape[1] as number]
    const partial = 2 * half < width ? { rotary_embedding_dim: 2 * half } : {}
    return emitter.node('RotaryEmbedding', inputs, { num_heads: heads, ...partial }, 'com.microsoft')
  },
  reference: ([x, places, cosine, sine], { heads }) => rotated(x!, places!, [cosine!, sine!], heads),
}

function checkRotary([x, places, cosine, sine]: readonly [TensorType, TensorType, TensorType, TensorType], heads: number): void {
  const width = x.shape.at(-1)
  const half = cosine.shape.at(-1)
  const headWidth = typeof width === 'number' ? width / heads : Number.NaN
  const tables =
    cosine.shape.length === 2 &&
    sine.shape.length === 2 &&
    cosine.shape.every((size, axis) => sameDimension(size, sine.shape[axis]!))
  const placed =
    x.shape.length === 3 && places.shape.length === 2 && places.shape.every((size, axis) => sameDimension(size, x.shape[axis]!))
  if (!placed || !tables || !Number.isInteger(headWidth) || typeof half !== 'number' || 2 * half > headWidth)
    throw new ShapeError(
      `x ${formatShape(x.shape)}, places ${formatShape(places.shape)}, table ${formatShape(cosine.shape)} for ${heads} heads`,
      {
        expected: 'x [batch, slot, head·width], places [batch, slot], tables [place, half] with half ≤ width / 2',
      },
    )
}

function rotated(
  x: ReferenceValue,
  places: ReferenceValue,
  [cosine, sine]: readonly [ReferenceValue, ReferenceValue],
  heads: number,
): Float64Array {
  const [batch, slots, width] = x.shape as [number, number, number]
  const [headWidth, half] = [width / heads, cosine.shape[1]!]
  const out = x.data.slice()
  for (let row = 0; row < batch * slots; row++)
    for (let head = 0; head < heads; head++)
      for (let i = 0; i < half; i++) {
        const at = row * width + head * headWidth + i
        const [c, s] = [cosine.data[places.data[row]! * half + i]!, sine.data[places.data[row]! * half + i]!]
        out[at] = x.data[at]! * c - x.data[at + half]! * s
        out[at + half] = x.data[at + half]! * c + x.data[at]! * s
      }
  return out
}

export const rotations = { rotatePairs: rotaryRow } as const

/**
 * Turns pairs (i, i + half) of the heads in x `[batch, slot, head·width]` by the angles at `places` (int64 `[batch, slot]`) of the tables
 * `[place, half]`: rotary positions in one kernel. Throws ShapeError, DTypeError or OptionError.
 */
export function rotatePairs(
  x: TensorOperand,
  places: TensorOperand,
  table: { readonly cosine: TensorOperand; readonly sine: TensorOperand },
  heads: number,
): Tensor {
  return located('rotatePairs', [x, places, table.cosine, table.sine], () => {
    if (!Number.isInteger(heads) || heads < 1) throw new OptionError(`${heads} heads`, { expected: 'an integer ≥ 1' })
    return apply(rotaryRow, [x, places, table.cosine, table.sine], { heads })
  })
}
