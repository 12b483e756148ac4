import * as v from 'valibot'
import { OptionError } from '../../base/errors.ts'
import { categoricalHead, tiedHead } from '../../heads/index.ts'
import { rmsNorm, rotary, swiglu, Transformer } from '../../nn/index.ts'
import { count, layerCount, parseConfig, positive } from '../read-config.ts'
import type { LanguageModel, TextSystem } from '../system.ts'

/** The fields of a public config.json that decide what a Llama computes; their names are kept. */
const configSchema = v.looseObject({
  model_type: v.literal('llama'),
  vocab_size: count,
  hidden_size: count,
  intermediate_size: count,
  num_hidden_layers: layerCount,
  num_attention_heads: count,
  num_key_value_heads: v.optional(count),
  head_dim: v.optional(v.nullable(count)),
  max_position_embeddings: count,
  rms_norm_eps: v.optional(positive, 1e-6),
  rope_theta: v.optional(positive, 10000),
  rope_scaling: v.optional(v.nullable(v.unknown())),
  tie_word_embeddings: v.optional(v.boolean(), false),
  hidden_act: v.optional(v.string(), 'silu'),
  attention_bias: v.optional(v.boolean(), false),
  mlp_bias: v.optional(v.boolean(), false),
})

export interface LlamaOptions {
  readonly vocabularySize: number
  readonly context: number
  readonly width: number
  readonly layers: number
  readonly heads: number
  readonly keyValueHeads: number
  readonly headWidth: number
  readonly hidden: number
  readonly normEpsilon: number
  readonly rotaryBase: number
  readonly head: 'tied' | 'separate'
}

const tiny = {
  context: 128,
  width: 128,
  layers: 4,
  heads: 4,
  keyValueHeads: 2,
  headWidth: 32,
  hidden: 344,
  normEpsilon: 1e-5,
  rotaryBase: 10000,
  head: 'tied',
} as const

/** Llama: RMS norms, rotary positions, grouped-query attention, SwiGLU. Touvron et al. 2023. */
const llama: TextSystem<LlamaOptions> = {
  kind: 'text',
  id: 'llama',
  source: 'Touvron et al. 2023, Llama 2: Open Foundation and Fine-Tuned Chat Models',
  modelTypes: ['llama'],
  presets: { tiny, small: { ...tiny, width: 256, layers: 6, heads: 8, keyValueHeads: 4, hidden: 688 } },
  readConfig(data) {
    const config = parseConfig(configSchema, data, 'config.json')
    refuseUnsupported(config)
    return {
      vocabularySize: config.vocab_size,
      context: config.max_position_embeddings,
      width: config.hidden_size,
      layers: config.num_hidden_layers,
      heads: config.num_attention_heads,
      keyValueHeads: config.num_key_value_heads ?? config.num_attention_heads,
      headWidth: config.head_dim ?? config.hidden_size / config.num_attention_heads,
      hidden: config.intermediate_size,
      normEpsilon: config.rms_norm_eps,
      rotaryBase: config.rope_theta,
      head: config.tie_word_embeddings ? 'tied' : 'separate',
    }
  },
  writeConfig: (options) => ({
    model_type: 'llama',
    vocab_size: options.vocabularySize,
    hidden_size: options.width,
    intermediate_size: options.hidden,
    num_hidden_layers: options.layers,
    num_attention_heads: options.heads,
    num_key_value_heads: options.keyValueHeads,
    head_dim: options.headWidth,
    max_position_embeddings: options.context,
    rms_norm_eps: options.normEpsilon,
    rope_theta: options.rotaryBase,
    tie_word_embeddings: options.head === 'tied',
    hidden_act: 'silu',
  }),
  build: (options) => new Llama(options),
  // Old exports carry the rotary frequencies, which follow from the base; tied checkpoints may repeat the embedding as a head.
  place: (name, { head }) =>
    name.endsWith('rotary_emb.inv_freq') || (name === 'lm_head.weight' && head === 'tied') ? [] : [{ name }],
}
export default llama

function refuseUnsupported(config: v.InferOutput<typeof configSchema>): void {
  const refuse = (field: string, value: unknown, expected: string) => {
    throw new OptionError(`config.json: ${field} ${JSON.stringify(value)} is not supported`, { expected })
  }
  if (config.hidden_act !== 'silu') refuse('hidden_act', config.hidden_act, "'silu'")
  if (config.rope_scaling != null) refuse('rope_scaling', config.rope_scaling, 'none')
  if (config.attention_bias) refuse('attention_bias', true, 'false')
  if (config.mlp_bias) refuse('mlp_bias', true, 'false')
}

class Llama implements LanguageModel {
  readonly model
  readonly lm_head

  constructor({ heads, keyValueHeads, headWidth, hidden, normEpsilon, rotaryBase, head, ...sizes }: LlamaOptions) {
    this.model = new Transformer({
      ...sizes,
      attention: { heads, keyValueHeads, headWidth },
      mlp: swiglu(hidden),
      norm: rmsNorm({ epsilon: normEpsilon }),
      positions: rotary({ base: rotaryBase }),
    })
    this.lm_head = head === 'tied' ? tiedHead(this.model.embed_tokens) : categoricalHead(sizes.width, sizes.vocabularySize)
  }
}
