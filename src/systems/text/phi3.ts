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
import { placeByName, placeParts } from '../families/places.ts'
import { count, parseConfig } from '../read-config.ts'
import type { TextSystem } from '../system.ts'

const configSchema = v.looseObject({
  ...decoderFields,
  model_type: v.literal('phi3'),
  rms_norm_eps: normEpsilonField,
  sliding_window: v.optional(v.nullable(count)),
  attention_bias: v.optional(v.boolean()),
})

export interface Phi3Options extends Omit<DecoderOptions, 'activation'> {
  /** Each slot sees itself and the window − 1 slots before it. Default: all before it. */
  readonly window?: number
}

const defaults = { normEpsilon: 1e-5, tied: false, activation: 'silu' } as const

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
} as const

/** Phi 3, 3.5 and 4: Llama's layers, whose checkpoints fuse queries, keys and values, and gate and up. Abdin et al. 2024. */
const phi3: TextSystem<Phi3Options> = {
  kind: 'text',
  id: 'phi3',
  source: 'Abdin et al. 2024, Phi-3 Technical Report: A Highly Capable Language Model Locally on Your Phone',
  modelTypes: ['phi3'],
  presets: { tiny },
  readConfig(data) {
    const config = parseConfig(configSchema, data, 'config.json')
    refuseOthers(config, { hidden_act: 'silu', attention_bias: false })
    const window = config.sliding_window
    return { ...readDecoder({ ...config, normEpsilon: config.rms_norm_eps }, defaults), ...(window != null && { window }) }
  },
  writeConfig: (options) => ({
    model_type: 'phi3',
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
  place(key, options) {
    const { heads, keyValueHeads, headWidth, hidden } = options
    const layer = (fused: string) => (key.endsWith(`.${fused}`) ? key.slice(0, -fused.length) : undefined)
    const [attention, mlp] = [layer('qkv_proj.weight'), layer('gate_up_proj.weight')]
    if (attention !== undefined) {
      const [queries, keys] = [heads * headWidth, keyValueHeads * headWidth]
      return placeParts([
        [`${attention}q_proj.weight`, queries],
        [`${attention}k_proj.weight`, keys],
        [`${attention}v_proj.weight`, keys],
      ])
    }
    if (mlp !== undefined) {
      return placeParts([
        [`${mlp}gate_proj.weight`, hidden],
        [`${mlp}up_proj.weight`, hidden],
      ])
    }
    return placeByName(key, options)
  },
}
export default phi3
