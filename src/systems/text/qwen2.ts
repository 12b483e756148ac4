import * as v from 'valibot'
import { rmsNorm, swiglu, zeros } from '../../nn/index.ts'
import { decoderSizes, readDecoder, refuseOthers, writeDecoder } from '../families/decoder-config.ts'
import { languageModel } from '../families/language-model.ts'
import { placeByName } from '../families/places.ts'
import { type QwenOptions, qwenFields, readWindows, windowOf, writeWindows } from '../families/qwen-config.ts'
import { parseConfig } from '../read-config.ts'
import type { TextSystem } from '../system.ts'

const configSchema = v.looseObject({ ...qwenFields, model_type: v.literal('qwen2') })

export type Qwen2Options = QwenOptions

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

/** Qwen 2 and 2.5: Llama's layers with biases of queries, keys and values. Yang et al. 2024. */
const qwen2: TextSystem<Qwen2Options> = {
  kind: 'text',
  id: 'qwen2',
  source: 'Yang et al. 2024, Qwen2 Technical Report',
  modelTypes: ['qwen2'],
  presets: { tiny },
  readConfig(data) {
    const config = parseConfig(configSchema, data, 'config.json')
    refuseOthers(config, { hidden_act: 'silu' })
    return { ...readDecoder({ ...config, normEpsilon: config.rms_norm_eps }, defaults), ...readWindows(config) }
  },
  writeConfig: (options) => ({
    model_type: 'qwen2',
    ...writeDecoder(options, defaults),
    rms_norm_eps: options.normEpsilon,
    ...writeWindows(options),
  }),
  build(options) {
    const { attention, ...sizes } = decoderSizes(options)
    const narrowing = windowOf(options)
    return languageModel(
      {
        ...sizes,
        attention: (layer) => ({ ...attention, bias: zeros, ...narrowing(layer) }),
        mlp: swiglu(options.hidden),
        norm: rmsNorm({ epsilon: options.normEpsilon }),
      },
      options,
    )
  },
  place: placeByName,
}
export default qwen2
