import * as v from 'valibot'
import { rmsNorm, swiglu, zeros } from '../../nn/index.ts'
import { decoderSizes, readDecoder, refuseOthers, writeDecoder } from '../families/decoder-config.ts'
import { languageModel } from '../families/language-model.ts'
import { placeByName } from '../families/places.ts'
import { type QwenOptions, qwenFields, readWindows, windowOf, writeWindows } from '../families/qwen-config.ts'
import { parseConfig } from '../read-config.ts'
import type { TextSystem } from '../system.ts'

const configSchema = v.looseObject({
  ...qwenFields,
  model_type: v.literal('qwen3'),
  attention_bias: v.optional(v.boolean(), false),
})

export interface Qwen3Options extends QwenOptions {
  /** Biases in attention. Default: none. */
  readonly attentionBias?: boolean
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
  normEpsilon: 1e-6,
  rotaryBase: 10000,
  head: 'tied',
} as const

/** Qwen 3: Llama's layers with norms of each head's queries and keys. Yang et al. 2025. */
const qwen3: TextSystem<Qwen3Options> = {
  kind: 'text',
  id: 'qwen3',
  source: 'Yang et al. 2025, Qwen3 Technical Report',
  modelTypes: ['qwen3'],
  presets: { tiny },
  readConfig(data) {
    const config = parseConfig(configSchema, data, 'config.json')
    refuseOthers(config, { hidden_act: 'silu' })
    return {
      // Unlike its kin, a Qwen 3 whose configuration gives no width of heads has heads of 128 channels.
      ...readDecoder({ ...config, head_dim: config.head_dim ?? 128, normEpsilon: config.rms_norm_eps }, defaults),
      ...readWindows(config),
      ...(config.attention_bias && { attentionBias: true }),
    }
  },
  writeConfig: (options) => ({
    model_type: 'qwen3',
    ...writeDecoder(options, defaults),
    rms_norm_eps: options.normEpsilon,
    ...writeWindows(options),
    attention_bias: options.attentionBias ?? false,
  }),
  build(options) {
    const { attention, ...sizes } = decoderSizes(options)
    const narrowing = windowOf(options)
    const norm = rmsNorm({ epsilon: options.normEpsilon })
    const bias = options.attentionBias ? { bias: zeros, outputBias: zeros } : {}
    return languageModel(
      {
        ...sizes,
        attention: (layer) => ({ ...attention, queryKeyNorm: norm, ...bias, ...narrowing(layer) }),
        mlp: swiglu(options.hidden),
        norm,
      },
      options,
    )
  },
  place: placeByName,
}
export default qwen3
