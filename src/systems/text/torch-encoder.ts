import * as v from 'valibot'
import type { Placement } from '../../base/placement.ts'
import { layerNorm, learned, plainMlp, postnorm, zeros } from '../../nn/index.ts'
import { activations } from '../families/decoder-config.ts'
import { languageModel } from '../families/language-model.ts'
import { renamed } from '../families/places.ts'
import { count, layerCount, parseConfig } from '../read-config.ts'
import type { TextSystem } from '../system.ts'

const optionsSchema = v.strictObject({
  vocabularySize: count,
  context: count,
  width: count,
  layers: layerCount,
  heads: count,
  hidden: count,
})

export type TorchEncoderOptions = v.InferOutput<typeof optionsSchema>

/** What small models of characters write beside a `nn.TransformerEncoder`; no public format has a name for it. */
const characterConfig = v.looseObject({
  chars: v.pipe(v.array(v.string()), v.minLength(1)),
  n_layer: layerCount,
  n_head: count,
  dim: count,
  ffn: count,
  context: count,
  norm: v.literal('post'),
  act: v.literal('relu'),
})

const ownConfig = v.looseObject({ model_type: v.literal('nextx-torch-encoder') })

/**
 * A causal language model of PyTorch's `nn.TransformerEncoderLayer` as it is by default: post-norm blocks and a ReLU MLP, here with
 * learned positions, a last norm and a head without bias. Vaswani et al. 2017.
 */
const torchEncoder: TextSystem<TorchEncoderOptions> = {
  kind: 'text',
  id: 'torch-encoder',
  source: 'Vaswani et al. 2017, Attention Is All You Need',
  modelTypes: ['nextx-torch-encoder'],
  recognizes: (config) => v.is(characterConfig, config) && !v.is(v.looseObject({ model_type: v.string() }), config),
  presets: { tiny: { context: 128, width: 128, layers: 3, heads: 4, hidden: 512 } },
  readConfig(data) {
    if (v.is(ownConfig, data)) {
      const { model_type, ...options } = data
      return parseConfig(optionsSchema, options, `config.json (${model_type})`)
    }
    const { chars, context, dim, n_layer, n_head, ffn } = parseConfig(characterConfig, data, 'config.json')
    return { vocabularySize: chars.length, context, width: dim, layers: n_layer, heads: n_head, hidden: ffn }
  },
  writeConfig: (options) => ({ model_type: 'nextx-torch-encoder', ...options }),
  build(options) {
    const { heads, hidden, ...sizes } = parseConfig(optionsSchema, options, 'torch-encoder')
    return languageModel(
      {
        ...sizes,
        attention: { heads },
        mlp: plainMlp(hidden, activations.relu),
        norm: layerNorm(),
        positions: learned(),
        residual: postnorm,
        bias: zeros,
      },
      { head: 'separate' },
    )
  },
  place,
}
export default torchEncoder

/** Names in the checkpoints of such models, and here. */
const names = [
  ['tok_emb', 'model.embed_tokens'],
  ['pos_emb', 'model.positions'],
  ['layers', 'model.layers'],
  ['self_attn.out_proj', 'self_attn.o_proj'],
  ['norm1', 'post_attention_layernorm'],
  ['linear1', 'mlp.up_proj'],
  ['linear2', 'mlp.down_proj'],
  ['norm2', 'post_feedforward_layernorm'],
  ['ln', 'model.norm'],
  ['head', 'lm_head'],
] as const

function place(key: string, { width }: TorchEncoderOptions): readonly Placement[] {
  if (/^(model|lm_head)\./.test(key)) return [{ name: key }]
  const [layer, kind] = renamed(key, names).split('.in_proj_')
  if (kind === undefined) return [{ name: layer! }]
  const part = (letter: string, index: number): Placement => ({
    name: `${layer}.${letter}_proj.${kind}`,
    rows: [index * width, (index + 1) * width],
  })
  return ['q', 'k', 'v'].map(part)
}
