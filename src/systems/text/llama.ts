import * as v from 'valibot'
import { rmsNorm, swiglu, zeros } from '../../nn/index.ts'
import {
  type DecoderOptions,
  decoderFields,
  decoderSizes,
  normEpsilonField,
  readDecoder,
  refuseOthers,
  writeDecoder,
} from '../families/decoder-config.ts'
import { languageModel } from '../families/language-model.ts'
import { placeByName } from '../families/places.ts'
import { parseConfig } from '../read-config.ts'
import type { TextSystem } from '../system.ts'

const configSchema = v.looseObject({
  ...decoderFields,
  model_type: v.literal('llama'),
  rms_norm_eps: normEpsilonField,
  attention_bias: v.optional(v.boolean(), false),
  mlp_bias: v.optional(v.boolean(), false),
})

export interface LlamaOptions extends Omit<DecoderOptions, 'activation'> {
  /** Biases in attention. Default: none. */
  readonly attentionBias?: boolean
  /** Biases in the MLP. Default: none. */
  readonly mlpBias?: boolean
}

const defaults = { normEpsilon: 1e-6, tied: false, activation: 'silu' } as const

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

/** Llama, and what is built like it (SmolLM, TinyLlama): RMS norms, rotary positions, grouped-query attention, SwiGLU. Touvron et al. 2023. */
const llama: TextSystem<LlamaOptions> = {
  kind: 'text',
  id: 'llama',
  source: 'Touvron et al. 2023, Llama 2: Open Foundation and Fine-Tuned Chat Models',
  modelTypes: ['llama'],
  presets: { tiny, small: { ...tiny, width: 256, layers: 6, heads: 8, keyValueHeads: 4, hidden: 688 } },
  readConfig(data) {
    const config = parseConfig(configSchema, data, 'config.json')
    refuseOthers(config, { hidden_act: 'silu' })
    return {
      ...readDecoder({ ...config, normEpsilon: config.rms_norm_eps }, defaults),
      ...(config.attention_bias && { attentionBias: true }),
      ...(config.mlp_bias && { mlpBias: true }),
    }
  },
  writeConfig: (options) => ({
    model_type: 'llama',
    ...writeDecoder(options, defaults),
    rms_norm_eps: options.normEpsilon,
    attention_bias: options.attentionBias ?? false,
    mlp_bias: options.mlpBias ?? false,
  }),
  build(options) {
    const { attention, ...sizes } = decoderSizes(options)
    const { attentionBias, mlpBias, hidden, normEpsilon } = options
    return languageModel(
      {
        ...sizes,
        attention: { ...attention, ...(attentionBias && { bias: zeros, outputBias: zeros }) },
        mlp: swiglu(hidden, mlpBias ? { bias: zeros } : {}),
        norm: rmsNorm({ epsilon: normEpsilon }),
      },
      options,
    )
  },
  place: placeByName,
}
export default llama
