import type { Placement } from '../base/placement.ts'
import { placeParts } from './families/places.ts'

/** Sizes that decide how fused and permuted tensors are cut. */
export interface GgufSizes {
  readonly heads: number
  readonly keyValueHeads: number
  readonly headWidth: number
  readonly hidden: number
}

/** What converters of an architecture did to a checkpoint. */
export interface GgufLayout {
  /** Queries and keys have the channels that are rotated together beside one another, not half a head apart. */
  readonly interleaved?: true
  /** Scales of norms are kept as they are used; the model keeps scale − 1. */
  readonly normOffset?: 1
  /** Gate and up are one matrix, named after the latter. */
  readonly fusedGate?: true
  /** Norms stand before and behind each part of a layer. */
  readonly sandwich?: true
}

/** Names of tensors outside layers, and those of the model's variables. */
const outer: Readonly<Record<string, string>> = {
  token_embd: 'model.embed_tokens',
  position_embd: 'model.positions',
  output_norm: 'model.norm',
  output: 'lm_head',
}

const inner: Readonly<Record<string, string>> = {
  attn_norm: 'input_layernorm',
  attn_q: 'self_attn.q_proj',
  attn_k: 'self_attn.k_proj',
  attn_v: 'self_attn.v_proj',
  attn_output: 'self_attn.o_proj',
  attn_q_norm: 'self_attn.q_norm',
  attn_k_norm: 'self_attn.k_norm',
  ffn_gate: 'mlp.gate_proj',
  ffn_up: 'mlp.up_proj',
  ffn_down: 'mlp.down_proj',
}

const norms = {
  plain: { ffn_norm: 'post_attention_layernorm' },
  sandwich: {
    post_attention_norm: 'post_attention_layernorm',
    ffn_norm: 'pre_feedforward_layernorm',
    post_ffw_norm: 'post_feedforward_layernorm',
  },
} as const

/** Factors of rotary frequencies: small tensors that belong to the configuration. */
export const ggufFactorTensors = ['rope_freqs.weight', 'rope_factors_long.weight', 'rope_factors_short.weight'] as const

/** What variables get of a GGUF file's tensor; tensors of unknown names go to variables of these names, which no model has. */
export function ggufPlaces(sizes: GgufSizes, layout: GgufLayout): (name: string) => readonly Placement[] {
  const { heads, keyValueHeads, headWidth, hidden } = sizes
  const [queries, keys] = [heads * headWidth, keyValueHeads * headWidth]
  const orders = layout.interleaved && { attn_q: apart(heads, headWidth), attn_k: apart(keyValueHeads, headWidth) }
  const names = { ...inner, ...norms[layout.sandwich ? 'sandwich' : 'plain'] } as Readonly<Record<string, string>>
  return (name) => {
    if ((ggufFactorTensors as readonly string[]).includes(name)) return []
    const [, layer, part = '', kind] = /^(?:blk\.(\d+)\.)?(\w+)\.(weight|bias)$/.exec(name) ?? []
    if (layer === undefined) return [{ name: Object.hasOwn(outer, part) ? `${outer[part]}.${kind}` : name, ...shift(layout, part) }]
    const of = (own: string) => `model.layers.${layer}.${own}.${kind}`
    if (part === 'attn_qkv')
      return placeParts([
        [of('self_attn.q_proj'), queries],
        [of('self_attn.k_proj'), keys],
        [of('self_attn.v_proj'), keys],
      ])
    if (part === 'ffn_up' && layout.fusedGate)
      return placeParts([
        [of('mlp.gate_proj'), hidden],
        [of('mlp.up_proj'), hidden],
      ])
    const order = orders && Object.hasOwn(orders, part) ? orders[part as 'attn_q'] : undefined
    return [{ name: Object.hasOwn(names, part) ? of(names[part]!) : name, ...(order && { order }), ...shift(layout, part) }]
  }
}

function shift({ normOffset }: GgufLayout, part: string): Pick<Placement, 'add'> {
  return normOffset !== undefined && part.endsWith('norm') ? { add: -normOffset } : {}
}

/** Rows of heads whose channels (2i, 2i + 1) are rotated together, in the order in which (i, i + half) are. */
function apart(heads: number, headWidth: number): Uint32Array {
  const half = headWidth / 2
  return Uint32Array.from({ length: heads * headWidth }, (_, row) => {
    const [head, channel] = [Math.floor(row / headWidth), row % headWidth]
    return head * headWidth + (channel < half ? 2 * channel : 2 * (channel - half) + 1)
  })
}
