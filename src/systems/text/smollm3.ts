import * as v from 'valibot'
import { rmsNorm, swiglu, unplaced, zeros } from '../../nn/index.ts'
import {
  type DecoderOptions,
  decoderFields,
  decoderSizes,
  everyNth,
  normEpsilonField,
  readDecoder,
  refuseField,
  refuseOthers,
  writeDecoder,
} from '../families/decoder-config.ts'
import { languageModel } from '../families/language-model.ts'
import { placeByName } from '../families/places.ts'
import { count, parseConfig } from '../read-config.ts'
import type { TextSystem } from '../system.ts'

const configSchema = v.looseObject({
  ...decoderFields,
  model_type: v.literal('smollm3'),
  rms_norm_eps: normEpsilonField,
  /** 1 where a layer rotates. */
  no_rope_layers: v.optional(v.nullable(v.array(v.picklist([0, 1])))),
  no_rope_layer_interval: v.optional(count, 4),
  use_sliding_window: v.optional(v.boolean()),
  attention_bias: v.optional(v.boolean(), false),
  mlp_bias: v.optional(v.boolean(), false),
})

export interface Smollm3Options extends Omit<DecoderOptions, 'activation'> {
  /** Every n-th layer has no rotation. */
  readonly unplacedEvery: number
  /** Biases in attention. Default: none. */
  readonly attentionBias?: boolean
  /** Biases in the MLP. Default: none. */
  readonly mlpBias?: boolean
}

const defaults = { normEpsilon: 1e-6, tied: true, activation: 'silu', rotaryBase: 2_000_000 } as const

const tiny = {
  context: 128,
  width: 128,
  layers: 4,
  heads: 4,
  keyValueHeads: 2,
  headWidth: 32,
  hidden: 344,
  normEpsilon: 1e-6,
  rotaryBase: 2_000_000,
  head: 'tied',
  unplacedEvery: 4,
} as const

/** SmolLM 3: Llama's layers, of which every fourth has no positions. Bakouch et al. 2025. */
const smollm3: TextSystem<Smollm3Options> = {
  kind: 'text',
  id: 'smollm3',
  source: 'Bakouch et al. 2025, SmolLM3: smol, multilingual, long-context reasoner',
  modelTypes: ['smollm3'],
  presets: { tiny },
  readConfig(data) {
    const config = parseConfig(configSchema, data, 'config.json')
    refuseOthers(config, { hidden_act: 'silu', use_sliding_window: false })
    const { no_rope_layers: listed, no_rope_layer_interval: interval, num_hidden_layers: layers } = config
    if (listed != null && listed.length !== layers) refuseField('no_rope_layers', listed, 'one for each layer')
    const isUnplaced = listed?.map((rotates) => rotates === 0)
    return {
      ...readDecoder({ ...config, normEpsilon: config.rms_norm_eps }, defaults),
      unplacedEvery: isUnplaced === undefined ? interval : everyNth('no_rope_layers', isUnplaced, interval),
      ...(config.attention_bias && { attentionBias: true }),
      ...(config.mlp_bias && { mlpBias: true }),
    }
  },
  writeConfig: (options) => ({
    model_type: 'smollm3',
    ...writeDecoder(options, defaults),
    rms_norm_eps: options.normEpsilon,
    no_rope_layer_interval: options.unplacedEvery,
    no_rope_layers: Array.from({ length: options.layers }, (_, i) => Number((i + 1) % options.unplacedEvery !== 0)),
    attention_bias: options.attentionBias ?? false,
    mlp_bias: options.mlpBias ?? false,
  }),
  build(options) {
    const { attention, ...sizes } = decoderSizes(options)
    const { unplacedEvery, attentionBias, mlpBias } = options
    const placed = { ...attention, ...(attentionBias && { bias: zeros, outputBias: zeros }) }
    const nowhere = { ...placed, positions: unplaced() }
    return languageModel(
      {
        ...sizes,
        attention: (layer) => ((layer + 1) % unplacedEvery === 0 ? nowhere : placed),
        mlp: swiglu(options.hidden, mlpBias ? { bias: zeros } : {}),
        norm: rmsNorm({ epsilon: options.normEpsilon }),
      },
      options,
    )
  },
  place: placeByName,
}
export default smollm3
