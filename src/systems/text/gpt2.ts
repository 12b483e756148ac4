import * as v from 'valibot'
import type { Placement } from '../../base/placement.ts'
import { layerNorm, learned, plainMlp, zeros } from '../../nn/index.ts'
import {
  type ActivationName,
  activations,
  readActivation,
  refuseField,
  refuseOthers,
  writeActivation,
} from '../families/decoder-config.ts'
import { languageModel } from '../families/language-model.ts'
import { renamed } from '../families/places.ts'
import { count, layerCount, parseConfig, positive } from '../read-config.ts'
import type { TextSystem } from '../system.ts'

const configSchema = v.looseObject({
  model_type: v.literal('gpt2'),
  vocab_size: count,
  n_positions: count,
  n_embd: count,
  n_layer: layerCount,
  n_head: count,
  n_inner: v.optional(v.nullable(count)),
  activation_function: v.optional(v.string()),
  layer_norm_epsilon: v.optional(positive, 1e-5),
  tie_word_embeddings: v.optional(v.boolean(), true),
  quantization_config: v.optional(v.unknown()),
})

export interface Gpt2Options {
  readonly vocabularySize: number
  readonly context: number
  readonly width: number
  readonly layers: number
  readonly heads: number
  readonly hidden: number
  readonly normEpsilon: number
  /** Default: 'gelu-tanh'. */
  readonly activation?: ActivationName
  readonly head: 'tied' | 'separate'
}

const tiny = { context: 128, width: 128, layers: 4, heads: 4, hidden: 512, normEpsilon: 1e-5, head: 'tied' } as const

/** GPT-2 as its public checkpoints have it: tanh-GELU, biases everywhere, matrices `[inputs, outputs]`. Radford et al. 2019. */
const gpt2: TextSystem<Gpt2Options> = {
  kind: 'text',
  id: 'gpt2',
  source: 'Radford et al. 2019, Language Models are Unsupervised Multitask Learners',
  modelTypes: ['gpt2'],
  presets: { tiny },
  readConfig(data) {
    const config = parseConfig(configSchema, data, 'config.json')
    refuseOthers(config, {
      scale_attn_weights: true,
      scale_attn_by_inverse_layer_idx: false,
      add_cross_attention: false,
    })
    if (config.quantization_config != null) refuseField('quantization_config', config.quantization_config, 'none')
    const activation = readActivation('activation_function', config.activation_function) ?? 'gelu-tanh'
    return {
      vocabularySize: config.vocab_size,
      context: config.n_positions,
      width: config.n_embd,
      layers: config.n_layer,
      heads: config.n_head,
      hidden: config.n_inner ?? 4 * config.n_embd,
      normEpsilon: config.layer_norm_epsilon,
      ...(activation !== 'gelu-tanh' && { activation }),
      head: config.tie_word_embeddings ? 'tied' : 'separate',
    }
  },
  writeConfig: (options) => ({
    model_type: 'gpt2',
    vocab_size: options.vocabularySize,
    n_positions: options.context,
    n_embd: options.width,
    n_layer: options.layers,
    n_head: options.heads,
    n_inner: options.hidden,
    activation_function: writeActivation(options.activation ?? 'gelu-tanh'),
    layer_norm_epsilon: options.normEpsilon,
    tie_word_embeddings: options.head === 'tied',
  }),
  build({ vocabularySize, context, width, layers, heads, hidden, normEpsilon, activation = 'gelu-tanh', head }) {
    return languageModel(
      {
        vocabularySize,
        context,
        width,
        layers,
        attention: { heads },
        mlp: plainMlp(hidden, activations[activation]),
        norm: layerNorm({ epsilon: normEpsilon }),
        positions: learned(),
        bias: zeros,
      },
      { head },
    )
  },
  place,
}
export default gpt2

/** Names in public checkpoints, and here. */
const names = [
  ['wte', 'embed_tokens'],
  ['wpe', 'positions'],
  ['h', 'layers'],
  ['ln_1', 'input_layernorm'],
  ['attn.c_proj', 'self_attn.o_proj'],
  ['ln_2', 'post_attention_layernorm'],
  ['mlp.c_fc', 'mlp.up_proj'],
  ['mlp.c_proj', 'mlp.down_proj'],
  ['ln_f', 'norm'],
] as const

/** Our own files have our own names; public ones may lack 'transformer.' and hold the causal masks. */
function place(key: string, { width, head }: Gpt2Options): readonly Placement[] {
  if (/\.attn\.(masked_)?bias$/.test(key) || (key === 'lm_head.weight' && head === 'tied')) return []
  if (/^(model|lm_head)\./.test(key)) return [{ name: key }]
  const name = `model.${renamed(key.replace(/^transformer\./, ''), names)}`
  // The published matrices are those of a 1×1 convolution.
  const turn = key.endsWith('.weight') && /\.c_(attn|proj|fc)\./.test(key) ? { transpose: true as const } : {}
  const [layer, kind] = name.split('.attn.c_attn.')
  if (kind === undefined) return [{ name, ...turn }]
  const part = (letter: string, i: number): Placement => ({
    name: `${layer}.self_attn.${letter}_proj.${kind}`,
    ...turn,
    rows: [i * width, (i + 1) * width],
  })
  return ['q', 'k', 'v'].map(part)
}
