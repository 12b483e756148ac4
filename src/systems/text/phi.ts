import * as v from 'valibot'
import { layerNorm, parallel, plainMlp, zeros } from '../../nn/index.ts'
import {
  activations,
  type DecoderOptions,
  decoderFields,
  decoderSizes,
  readDecoder,
  refuseOthers,
  writeDecoder,
} from '../families/decoder-config.ts'
import { languageModel } from '../families/language-model.ts'
import { placeByName, renamed } from '../families/places.ts'
import { parseConfig, positive } from '../read-config.ts'
import type { TextSystem } from '../system.ts'

const configSchema = v.looseObject({
  ...decoderFields,
  model_type: v.literal('phi'),
  layer_norm_eps: v.optional(positive),
  qk_layernorm: v.optional(v.boolean()),
})

export type PhiOptions = DecoderOptions

const defaults = { normEpsilon: 1e-5, tied: false, activation: 'gelu-tanh', rotaryShare: 0.5 } as const

const tiny = {
  context: 128,
  width: 128,
  layers: 4,
  heads: 4,
  keyValueHeads: 4,
  headWidth: 32,
  hidden: 512,
  normEpsilon: 1e-5,
  rotaryBase: 10000,
  rotaryShare: 0.5,
  head: 'separate',
} as const

/** Names in public checkpoints, and here. */
const names = [
  ['self_attn.dense', 'self_attn.o_proj'],
  ['mlp.fc1', 'mlp.up_proj'],
  ['mlp.fc2', 'mlp.down_proj'],
  ['final_layernorm', 'norm'],
] as const

/** Phi 1, 1.5 and 2: attention and MLP beside one another, rotation of part of each head, biases everywhere. Li et al. 2023. */
const phi: TextSystem<PhiOptions> = {
  kind: 'text',
  id: 'phi',
  source: 'Li et al. 2023, Textbooks Are All You Need II: phi-1.5 technical report',
  modelTypes: ['phi'],
  presets: { tiny },
  readConfig(data) {
    const config = parseConfig(configSchema, data, 'config.json')
    refuseOthers(config, { qk_layernorm: false })
    return readDecoder({ ...config, normEpsilon: config.layer_norm_eps }, defaults)
  },
  writeConfig: (options) => ({ model_type: 'phi', ...writeDecoder(options, defaults), layer_norm_eps: options.normEpsilon }),
  build(options) {
    const { activation = defaults.activation } = options
    return languageModel(
      {
        ...decoderSizes(options),
        mlp: plainMlp(options.hidden, activations[activation]),
        norm: layerNorm({ epsilon: options.normEpsilon }),
        residual: parallel,
        bias: zeros,
      },
      { head: options.head, bias: zeros },
    )
  },
  place: (key, options) => placeByName(renamed(key, names), options),
}
export default phi
