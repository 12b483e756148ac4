import * as v from 'valibot'
import { rmsNorm, sliding, swiglu } from '../../nn/index.ts'
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
import { count, parseConfig } from '../read-config.ts'
import type { TextSystem } from '../system.ts'

const configSchema = v.looseObject({
  ...decoderFields,
  model_type: v.literal('mistral'),
  rms_norm_eps: normEpsilonField,
  sliding_window: v.optional(v.nullable(count)),
})

export interface MistralOptions extends Omit<DecoderOptions, 'activation'> {
  /** Each slot sees itself and the window − 1 slots before it. Default: all before it. */
  readonly window?: number
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
  head: 'separate',
  window: 16,
} as const

/** Mistral: Llama's layers with a sliding window. Jiang et al. 2023. */
const mistral: TextSystem<MistralOptions> = {
  kind: 'text',
  id: 'mistral',
  source: 'Jiang et al. 2023, Mistral 7B',
  modelTypes: ['mistral'],
  presets: { tiny },
  readConfig(data) {
    const config = parseConfig(configSchema, data, 'config.json')
    refuseOthers(config, { hidden_act: 'silu' })
    const window = config.sliding_window
    return { ...readDecoder({ ...config, normEpsilon: config.rms_norm_eps }, defaults), ...(window != null && { window }) }
  },
  writeConfig: (options) => ({
    model_type: 'mistral',
    ...writeDecoder(options, defaults),
    rms_norm_eps: options.normEpsilon,
    sliding_window: options.window ?? null,
  }),
  build(options) {
    const { attention, ...sizes } = decoderSizes(options)
    const { window, hidden, normEpsilon } = options
    return languageModel(
      {
        ...sizes,
        attention: { ...attention, ...(window !== undefined && { narrow: sliding(window) }) },
        mlp: swiglu(hidden),
        norm: rmsNorm({ epsilon: normEpsilon }),
      },
      options,
    )
  },
  place: placeByName,
}
export default mistral
