import { OptionError, ShapeError } from '../base/errors.ts'
import { refuseUnknown } from '../base/options.ts'
import { lessOrEqual, range, reshape, scalar, type Tensor, type TensorOperand, where } from '../tensor/index.ts'
import { toTensor } from '../tensor/tensor.ts'
import { attend } from './attend.ts'
import { joinHeads, splitHeads } from './heads.ts'
import { fanInUniform } from './initializers.ts'
import { Linear, type LinearOptions } from './linear.ts'
import { checkSizes } from './sizes.ts'

/** How slots exchange what they know: query, key and value `[batch, head, slot, headWidth]` → the query's shape. */
export type Mixing = (query: Tensor, key: Tensor, value: Tensor) => Tensor

export interface HeadMixerOptions {
  /** Divide the width. */
  readonly heads: number
  readonly mixing: Mixing
  /** How all four projections start. Default: `fanInUniform(width)`, weights and biases. */
  readonly linear?: LinearOptions
}

/**
 * A frame around any `Mixing`: projections to queries, keys and values, several heads, and a projection of the result, as in multi-head
 * attention (Vaswani et al. 2017) without positions or caches. Throws OptionError on heads that do not divide the width, and unknown options.
 */
export class HeadMixer {
  readonly q_proj: Linear
  readonly k_proj: Linear
  readonly v_proj: Linear
  readonly o_proj: Linear
  readonly #heads: number
  readonly #headWidth: number
  readonly #mixing: Mixing

  constructor(width: number, options: HeadMixerOptions) {
    refuseUnknown(options, ['heads', 'mixing', 'linear'], 'HeadMixer')
    const { heads, mixing } = options
    checkSizes({ width, heads })
    if (width % heads !== 0) throw new OptionError(`${heads} heads at width ${width}`, { expected: 'heads that divide the width' })
    const linear = options.linear ?? fanInUniform(width)
    this.q_proj = new Linear(width, width, linear)
    this.k_proj = new Linear(width, width, linear)
    this.v_proj = new Linear(width, width, linear)
    this.o_proj = new Linear(width, width, linear)
    this.#heads = heads
    this.#headWidth = width / heads
    this.#mixing = mixing
  }

  /** Queries of x `[batch, slot, width]`, keys and values of memory `[batch, other slot, width]` (default: x) → x's shape. */
  forward(x: TensorOperand, memory: TensorOperand = x): Tensor {
    const [asking, asked] = [toTensor(x), toTensor(memory)]
    const split = (projection: Linear, of: Tensor) => splitHeads(projection.forward(of), this.#heads, this.#headWidth)
    const mixed = this.#mixing(split(this.q_proj, asking), split(this.k_proj, asked), split(this.v_proj, asked))
    return this.o_proj.forward(joinHeads(mixed))
  }
}

/**
 * softmax(q·kᵀ/√headWidth)·v; `causal`: slot i sees the slots up to i. Throws OptionError on unknown options; the mixing throws ShapeError
 * when it is causal and queries and keys differ in number.
 */
export function softmaxMixing(options: { readonly causal?: boolean } = {}): Mixing {
  refuseUnknown(options, ['causal'], 'softmaxMixing')
  return (query, key, value) => {
    const bias = options.causal === true ? causalBias(query, key) : undefined
    return attend(query, key, value, bias, { scale: attentionScale(query) })
  }
}

/** 1/√headWidth. */
export function attentionScale(query: Tensor): number {
  return 1 / Math.sqrt(query.shape[3] as number)
}

/** Throws ShapeError unless there are as many queries as keys, which is what order in time needs. */
export function checkSelf(query: Tensor, key: Tensor): void {
  const [queries, keys] = [query.shape[2]!, key.shape[2]!]
  if (String(queries) !== String(keys))
    throw new ShapeError(`causal mixing of ${queries} queries and ${keys} keys`, { expected: 'as many queries as keys' })
}

/** `[1, 1, query, key]`: 0 up to the query's own place, very negative behind it. */
function causalBias(query: Tensor, key: Tensor): Tensor {
  checkSelf(query, key)
  const places = range(query.shape[2]!)
  const seen = lessOrEqual(reshape(places, [1, 1, 1, -1]), reshape(places, [1, 1, -1, 1]))
  return where(seen, 0, scalar(-1e9, query.dtype))
}
