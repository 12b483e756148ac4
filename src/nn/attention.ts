import { OptionError } from '../base/errors.ts'
import { and, type Rule, within } from '../base/visibility.ts'
import { concat, expand, type Initializer, parameter, reshape, scalar, type Tensor, type Variable, where } from '../tensor/index.ts'
import { attend } from './attend.ts'
import type { GrowingPast } from './growing.ts'
import { joinHeads, splitHeads } from './heads.ts'
import { Linear, type LinearOptions } from './linear.ts'
import type { Norm, NormFactory } from './norm.ts'
import type { Positions, PositionsFactory } from './positions.ts'
import { checkSizes } from './sizes.ts'
import { type TracedColumns, traceVisibility } from './visibility.ts'

/** Keys and values `[batch, kvHead, slot, headWidth]`. */
export interface KeyValues {
  readonly key: Tensor
  readonly value: Tensor
}

/** What a backbone is given: embedded slots, and all that decides who sees whom. */
export interface Slots {
  /** `[batch, slot, width]`. */
  readonly embedded: Tensor
  /** int32 `[batch or 1, slot]`, or `[batch or 1, slot, axis]` for rotations by several axes. */
  readonly position: Tensor
  readonly columns: TracedColumns
  readonly visibility: Rule
  /** Slots of earlier calls. */
  readonly past?: Past | GrowingPast
}

/** Slots of earlier calls; all that are `valid` are seen as the visibility rule says. */
export interface PastSlots {
  readonly columns: TracedColumns
  /** bool `[batch or 1, slot]`: false where the cache holds nothing yet. */
  readonly valid: Tensor
  /** One per layer. */
  readonly layers: readonly KeyValues[]
}

/** A past that is only read: the fed slots' keys and values come out beside it. */
export interface Past extends PastSlots {
  readonly kind: 'plain'
}

export interface AttentionOptions {
  readonly heads: number
  /** Heads of keys and values; each serves heads / keyValueHeads queries. Default: as many as heads. Ainslie et al. 2023. */
  readonly keyValueHeads?: number
  /** Default: width / heads. */
  readonly headWidth?: number
  /** Scores are q·k times this. Default: 1/√headWidth. */
  readonly scale?: number
  /** Scores become softCap·tanh(score / softCap), before masks. Gemma 2. */
  readonly softCap?: number
  /** Narrows what the plan lets a slot see, e.g. `sliding(128)`. */
  readonly narrow?: Rule
  /** Norms each head of queries and keys, before they are rotated. Henry et al. 2020. */
  readonly queryKeyNorm?: NormFactory
  /** Initializer of a logit per head that takes part in the softmax and adds nothing to its result; without one there is none. */
  readonly sinks?: Initializer
  /** Initializer of the biases of queries, keys and values. Default: the model's. */
  readonly bias?: Initializer
  /** Initializer of the output's bias. Default: the model's. */
  readonly outputBias?: Initializer
  /** What rotates queries and keys of this layer. Default: the model's. */
  readonly positions?: PositionsFactory
}

export const attentionOptionNames = [
  'heads',
  'keyValueHeads',
  'headWidth',
  'scale',
  'softCap',
  'narrow',
  'queryKeyNorm',
  'sinks',
  'bias',
  'outputBias',
  'positions',
] satisfies (keyof AttentionOptions)[]

/** Only slots less than `window` positions away. */
export function sliding(window: number): Rule {
  return within(window)
}

/** Additive mask `[batch or 1, 1, query, key]`: 0 where a slot sees, very negative (but finite: no NaN in rows that see nothing) where not. */
export function visibilityBias(slots: Slots, narrow?: Rule): Tensor {
  const rule = narrow === undefined ? slots.visibility : and(slots.visibility, narrow)
  const own = traceVisibility(rule, slots.columns, slots.columns)
  const hidden = scalar(-1e9, slots.embedded.dtype)
  const bias = where(own, 0, hidden)
  if (slots.past === undefined) return reshape(bias, [own.shape[0]!, 1, own.shape[1]!, own.shape[2]!])
  const { columns, valid } = slots.past
  const seen = traceVisibility(rule, slots.columns, columns)
  const filled = reshape(valid, [valid.shape[0]!, 1, valid.shape[1]!])
  const pastBias = where(filled, where(seen, 0, hidden), hidden)
  const joined = concat(alike(pastBias, bias), -1)
  return reshape(joined, [joined.shape[0]!, 1, joined.shape[1]!, joined.shape[2]!])
}

/** Two tensors `[batch or 1, …]` with the same batch. */
function alike(a: Tensor, b: Tensor): Tensor[] {
  const batch = a.shape[0] === 1 ? b.shape[0]! : a.shape[0]!
  return [a, b].map((tensor) => (tensor.shape[0] === 1 ? expand(tensor, tensor.shape.with(0, batch)) : tensor))
}

export interface AttentionSettings extends Omit<AttentionOptions, 'positions'> {
  readonly width: number
  readonly linear: LinearOptions
  readonly output: LinearOptions
  readonly positions: Positions
}

/** All that a path with a cache of its own must know of an attention to stand between `project` and `finish`. */
export interface AttentionTraits {
  readonly heads: number
  readonly keyValueHeads: number
  readonly headWidth: number
  /** Scores are q·k times this. */
  readonly scale: number
  /** Scores become softCap·tanh(score / softCap), before masks. Gemma 2. */
  readonly softCap?: number
  /** What narrows visibility, e.g. a sliding window. */
  readonly narrow?: Rule
  /** A logit per head `[head]` that takes part in the softmax and adds nothing to its result. gpt-oss. */
  readonly sinks?: Variable
}

/** What slots ask and answer: normed, rotated; query `[batch, head, slot, headWidth]`, key and value `[batch, kvHead, slot, headWidth]`. */
export interface Projected extends KeyValues {
  readonly query: Tensor
}

export interface Attended {
  /** `[batch, slot, width]`. */
  readonly output: Tensor
  /** Keys and values of these slots, for a cache. */
  readonly added: KeyValues
}

/** Computes one layer's attention on its normalised input `[batch, slot, width]`: the part of a backbone that caches replace. */
export type AttentionCall = (attention: Attention, x: Tensor, layer: number) => Attended

/** Attention over slots: multi-head, or grouped-query when keys have fewer heads. Vaswani et al. 2017. */
export class Attention {
  readonly q_proj: Linear
  readonly k_proj: Linear
  readonly v_proj: Linear
  readonly o_proj: Linear
  readonly q_norm?: Norm
  readonly k_norm?: Norm
  readonly sinks?: Variable
  readonly traits: AttentionTraits
  readonly #positions: Positions

  constructor(settings: AttentionSettings) {
    const { width, heads, queryKeyNorm, sinks, positions } = settings
    const { keyValueHeads = heads, headWidth = width / heads } = settings
    checkHeads(width, heads, keyValueHeads, headWidth)
    const linear = withBias(settings.linear, settings.bias)
    this.q_proj = new Linear(width, heads * headWidth, linear)
    this.k_proj = new Linear(width, keyValueHeads * headWidth, linear)
    this.v_proj = new Linear(width, keyValueHeads * headWidth, linear)
    this.o_proj = new Linear(heads * headWidth, width, withBias(settings.output, settings.outputBias))
    if (queryKeyNorm !== undefined) [this.q_norm, this.k_norm] = [queryKeyNorm(headWidth), queryKeyNorm(headWidth)]
    if (sinks !== undefined) this.sinks = parameter([heads], sinks)
    this.traits = traitsOf(settings, { heads, keyValueHeads, headWidth }, this.sinks)
    this.#positions = positions
  }

  /** Queries, keys and values of slots `[batch, slot, width]`. */
  project(x: Tensor, position: Tensor): Projected {
    const { heads, keyValueHeads, headWidth } = this.traits
    const rotate = (tensor: Tensor) => this.#positions.rotate?.(tensor, position) ?? tensor
    const [query, key] = [
      splitHeads(this.q_proj.forward(x), heads, headWidth),
      splitHeads(this.k_proj.forward(x), keyValueHeads, headWidth),
    ]
    return {
      query: rotate(this.q_norm?.forward(query) ?? query),
      key: rotate(this.k_norm?.forward(key) ?? key),
      value: splitHeads(this.v_proj.forward(x), keyValueHeads, headWidth),
    }
  }

  /** What `project` gives, as rows `[batch, slot, head·headWidth]`: for kernels that take heads side by side, without gradients. */
  projectRows(x: Tensor, position: Tensor): Projected {
    const { heads, keyValueHeads, headWidth } = this.traits
    const turned = (rows: Tensor, count: number, norm: Norm | undefined) => {
      const normed =
        norm === undefined ? rows : reshape(norm.forward(reshape(rows, [...x.shape.slice(0, 2), count, headWidth])), rows.shape)
      return this.#positions.rotateRows?.(normed, position, count) ?? normed
    }
    return {
      query: turned(this.q_proj.forward(x), heads, this.q_norm),
      key: turned(this.k_proj.forward(x), keyValueHeads, this.k_norm),
      value: this.v_proj.forward(x),
    }
  }

  /**
   * Keys `[batch, kvHead, slot, headWidth]` of `project` as if their slots stood `by` (int32 `[batch or 1, slot]`) positions further on; undefined
   * where positions are part of the embedding.
   */
  shift(key: Tensor, by: Tensor): Tensor | undefined {
    return this.#positions.shift?.(key, by)
  }

  /** Each query's mixture of the values that it sees: `[batch, head, slot, headWidth]`. */
  mix(query: Tensor, { key, value }: KeyValues, bias: Tensor): Tensor {
    const { keyValueHeads, headWidth } = this.traits
    const folded = reshape(query, [query.shape[0]!, keyValueHeads, -1, headWidth])
    return reshape(attend(folded, key, value, bias, this.traits), query.shape)
  }

  /** Mixtures `[batch, head, slot, headWidth]` → `[batch, slot, width]`. */
  finish(mixed: Tensor): Tensor {
    return this.o_proj.forward(joinHeads(mixed))
  }

  /** `[batch, slot, width]` → the same shape, and the keys and values of these slots. */
  forward(x: Tensor, bias: Tensor, position: Tensor, past?: KeyValues): Attended {
    const { query, ...added } = this.project(x, position)
    return { output: this.finish(this.mix(query, behind(past, added), bias)), added }
  }
}

/** Keys and values of earlier slots, then of these. */
function behind(past: KeyValues | undefined, added: KeyValues): KeyValues {
  if (past === undefined) return added
  return { key: concat([past.key, added.key], 2), value: concat([past.value, added.value], 2) }
}

function withBias(linear: LinearOptions, bias: Initializer | undefined): LinearOptions {
  return bias === undefined ? linear : { ...linear, bias }
}

type Heads = Pick<AttentionTraits, 'heads' | 'keyValueHeads' | 'headWidth'>

function traitsOf({ scale, softCap, narrow }: AttentionSettings, sizes: Heads, sinks: Variable | undefined): AttentionTraits {
  for (const [name, value] of Object.entries({ scale, softCap })) {
    if (value !== undefined && !(value > 0 && value < Number.POSITIVE_INFINITY))
      throw new OptionError(`attention: ${name} is ${value}`, { expected: 'a finite number > 0' })
  }
  const optional = { ...(softCap !== undefined && { softCap }), ...(narrow !== undefined && { narrow }), ...(sinks && { sinks }) }
  return { ...sizes, scale: scale ?? 1 / Math.sqrt(sizes.headWidth), ...optional }
}

function checkHeads(width: number, heads: number, keyValueHeads: number, headWidth: number): void {
  checkSizes({ width, heads, keyValueHeads })
  if (Number.isInteger(headWidth)) checkSizes({ headWidth })
  if (!Number.isInteger(headWidth) || heads % keyValueHeads !== 0) {
    throw new OptionError(`${heads} heads and ${keyValueHeads} key-value heads at width ${width}`, {
      expected: 'heads that divide the width, and key-value heads that divide the heads',
    })
  }
}
