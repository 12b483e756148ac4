import { DTypeError, OptionError, ShapeError } from '../../base/errors.ts'
import { refuseUnknown } from '../../base/options.ts'
import { formatShape, type Shape, sameDimension } from '../dimension.ts'
import { apply, located, type Op, type ReferenceValue, type Tensor, type TensorOperand, type TensorType } from '../tensor.ts'

type Attributes = {
  readonly heads: number
  readonly keyValueHeads: number
  readonly scale: number
  /** 0: none. */
  readonly softCap: number
  /** How many slots a query sees, itself among them; 0: all. */
  readonly window: number
}

/** Operands of the row, in the order of its inputs. */
const names = ['query', 'key', 'value', 'pastKey', 'pastValue', 'last', 'total', 'bias', 'sinks'] as const
type OperandName = (typeof names)[number]

const attentionRow: Op<Attributes> = {
  name: 'cachedAttention',
  infer(inputs, attributes) {
    const of = (name: OperandName) => inputs[names.indexOf(name)]!
    checkTypes(of)
    checkShapes(of, attributes)
    return { dtype: of('query').dtype, shape: of('query').shape }
  },
  emit(emitter, inputs, _node, { heads, keyValueHeads, scale, softCap, window }) {
    const [query, key, value, pastKey, pastValue, last, total, bias, sinks = ''] = inputs as readonly string[]
    const attributes = {
      num_heads: heads,
      kv_num_heads: keyValueHeads,
      scale: { float: scale },
      ...(softCap > 0 && { softcap: { float: softCap } }),
      ...(window > 0 && { local_window_size: window }),
    }
    const operands = [query!, key!, value!, pastKey!, pastValue!, last!, total!, '', '', '', bias!, sinks]
    return emitter.node('GroupQueryAttention', operands, attributes, 'com.microsoft', 3)
  },
  reference: (inputs, attributes) => attentionReference(inputs, attributes),
}

/** The cache afterwards: the attention node's second or third output. What lies behind a row's last slot is not defined. */
const grownRow: Op<{ readonly kind: 'key' | 'value' }> = {
  name: 'grownCache',
  infer: ([, , past]) => ({ dtype: past!.dtype, shape: past!.shape }),
  emit: (emitter, [attended], _node, { kind }) => emitter.sibling(attended!, kind === 'key' ? 1 : 2),
  reference: ([, fresh, past, last]) => grown(fresh!, past!, last!),
}

function checkTypes(of: (name: OperandName) => TensorType): void {
  for (const name of ['query', 'key', 'value', 'pastKey', 'pastValue', 'bias'] as const) {
    if (of(name).dtype !== 'float32') throw new DTypeError(`${name} is ${of(name).dtype}`, { expected: 'float32' })
  }
  for (const name of ['last', 'total'] as const) {
    if (of(name).dtype !== 'int32') throw new DTypeError(`${name} is ${of(name).dtype}`, { expected: 'int32' })
  }
}

function checkShapes(of: (name: OperandName) => TensorType, { heads, keyValueHeads }: Attributes): void {
  const [batch, slots, width] = of('query').shape
  const headWidth = typeof width === 'number' ? width / heads : Number.NaN
  if (!Number.isInteger(headWidth) || headWidth % 8 !== 0 || heads % keyValueHeads !== 0)
    throw new ShapeError(`queries ${formatShape(of('query').shape)} for ${heads} heads and ${keyValueHeads} of keys`, {
      expected: 'heads of a width that 8 divides, and key-value heads that divide the heads',
    })
  const fresh: Shape = [batch!, slots!, keyValueHeads * headWidth]
  const past = of('pastKey').shape
  const expected: [OperandName, Shape][] = [
    ['key', fresh],
    ['value', fresh],
    ['pastKey', [batch!, keyValueHeads, past[2] ?? 0, headWidth]],
    ['pastValue', past],
    ['last', [batch!]],
    ['total', [1]],
  ]
  for (const [name, shape] of expected) {
    const found = of(name).shape
    const fits = found.length === shape.length && found.every((size, axis) => sameDimension(size, shape[axis]!))
    if (!fits) throw new ShapeError(`${name} is ${formatShape(found)}`, { expected: formatShape(shape) })
  }
  if (of('bias').shape.length !== 4)
    throw new ShapeError(`bias is ${formatShape(of('bias').shape)}`, { expected: '[batch or 1, head or 1, slot, key]' })
}

function attentionReference(inputs: readonly ReferenceValue[], attributes: Attributes): Float64Array {
  const [query, key, value, pastKey, pastValue, last] = inputs as [
    ReferenceValue,
    ReferenceValue,
    ReferenceValue,
    ReferenceValue,
    ReferenceValue,
    ReferenceValue,
  ]
  const [bias, sinks] = [inputs[7]!, inputs[8]]
  const { heads, keyValueHeads } = attributes
  const [batch, slots, width] = query.shape as [number, number, number]
  const headWidth = width / heads
  const [keys, values] = [grown(key, pastKey, last), grown(value, pastValue, last)]
  const capacity = pastKey.shape[2]!
  const out = new Float64Array(query.data.length)
  for (let b = 0; b < batch; b++)
    for (let h = 0; h < heads; h++)
      for (let t = 0; t < slots; t++) {
        const line = (b * keyValueHeads + Math.floor((h * keyValueHeads) / heads)) * capacity * headWidth
        const q = query.data.subarray((b * slots + t) * width + h * headWidth, (b * slots + t) * width + (h + 1) * headWidth)
        const position = last.data[b]! + 1 - slots + t
        const weights = weightsOf(q, keys.subarray(line), position, attributes, (j) => biasAt(bias, b, h, t, j), sinks?.data[h])
        for (let j = 0; j <= position; j++)
          for (let i = 0; i < headWidth; i++)
            out[(b * slots + t) * width + h * headWidth + i]! += weights[j]! * values[line + j * headWidth + i]!
      }
  return out
}

/** Softmax over the slots up to `position`. */
function weightsOf(
  query: Float64Array,
  keys: Float64Array,
  position: number,
  { scale, softCap, window }: Attributes,
  biasOf: (slot: number) => number,
  sink: number | undefined,
): number[] {
  const scores = Array.from({ length: position + 1 }, (_, j) => {
    if (window > 0 && position - j >= window) return Number.NEGATIVE_INFINITY
    const product = scale * query.reduce((sum, q, i) => sum + q * keys[j * query.length + i]!, 0)
    return (softCap > 0 ? softCap * Math.tanh(product / softCap) : product) + biasOf(j)
  })
  const largest = Math.max(...scores, sink ?? Number.NEGATIVE_INFINITY)
  const weights = scores.map((score) => Math.exp(score - largest))
  const total = weights.reduce((a, b) => a + b, 0) + (sink === undefined ? 0 : Math.exp(sink - largest))
  return weights.map((weight) => weight / total)
}

function biasAt({ shape, data }: ReferenceValue, b: number, h: number, t: number, j: number): number {
  const [batches, heads, slots, keys] = shape as [number, number, number, number]
  return data[(((batches === 1 ? 0 : b) * heads + (heads === 1 ? 0 : h)) * slots + t) * keys + j]!
}

/** The cache `[batch, kvHead, capacity, width]` with fresh rows `[batch, slot, kvHead·width]` written behind the old ones. */
function grown(fresh: ReferenceValue, past: ReferenceValue, last: ReferenceValue): Float64Array {
  const [batch, heads, capacity, width] = past.shape as [number, number, number, number]
  const slots = fresh.shape[1]!
  const out = past.data.slice()
  for (let b = 0; b < batch; b++)
    for (let t = 0; t < slots; t++)
      for (let h = 0; h < heads; h++) {
        const from = ((b * slots + t) * heads + h) * width
        out.set(fresh.data.subarray(from, from + width), ((b * heads + h) * capacity + last.data[b]! + 1 - slots + t) * width)
      }
  return out
}

export const caching = { cachedAttention: attentionRow, grownCache: grownRow } as const

export interface CachedAttentionOperands {
  /** `[batch, slot, head·width]`. */
  readonly query: TensorOperand
  /** `[batch, slot, kvHead·width]`. */
  readonly key: TensorOperand
  readonly value: TensorOperand
  /** `[batch, kvHead, capacity, width]`. */
  readonly pastKey: TensorOperand
  readonly pastValue: TensorOperand
  /** int32 `[batch]`: index of each row's last slot once the fresh ones are in. */
  readonly last: TensorOperand
  /** int32 `[1]`: the largest of `last`, plus 1. */
  readonly total: TensorOperand
  /** `[batch or 1, head or 1, slot, total]`, added to the scores. */
  readonly bias: TensorOperand
  /** `[head]`: a logit that takes part in the softmax and gives nothing. */
  readonly sinks?: TensorOperand
}

export interface CachedAttentionOptions {
  readonly heads: number
  readonly keyValueHeads: number
  readonly scale: number
  /** Scores become cap·tanh(score / cap). Default: none. */
  readonly softCap?: number
  /** How many slots a query sees, itself among them. Default: all. */
  readonly window?: number
}

export interface CachedAttention {
  /** `[batch, slot, head·width]`. */
  readonly mixed: Tensor
  /** The caches with the fresh slots in them, for `assign`; what lies behind a row's last slot is not defined. */
  readonly key: Tensor
  readonly value: Tensor
}

/**
 * Causal attention of fresh slots over a cache and one another; each row has a length of its own. Runs in the runtime's grouped-query
 * kernel, which takes several fresh slots of a row with a past only for a batch of one.
 * @throws ShapeError, DTypeError or OptionError
 */
export function cachedAttention(operands: CachedAttentionOperands, options: CachedAttentionOptions): CachedAttention {
  const { query, key, value, pastKey, pastValue, last, total, bias, sinks } = operands
  const inputs = [query, key, value, pastKey, pastValue, last, total, bias, ...(sinks === undefined ? [] : [sinks])]
  return located('cachedAttention', inputs, () => {
    refuseUnknown(options, ['heads', 'keyValueHeads', 'scale', 'softCap', 'window'], 'cachedAttention')
    const { heads, keyValueHeads, scale, softCap = 0, window = 0 } = options
    if (!(scale > 0) || !(softCap >= 0) || !(window >= 0))
      throw new OptionError(`scale ${scale}, softCap ${softCap}, window ${window}`, { expected: 'scale > 0, the others ≥ 0' })
    const mixed = apply(attentionRow, inputs, { heads, keyValueHeads, scale, softCap, window })
    const grow = (kind: 'key' | 'value', fresh: TensorOperand, past: TensorOperand) =>
      apply(grownRow, [mixed, fresh, past, last], { kind })
    return { mixed, key: grow('key', key, pastKey), value: grow('value', value, pastValue) }
  })
}
