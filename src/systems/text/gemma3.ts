import * as v from 'valibot'
import { rotary, sandwich, sliding } from '../../nn/index.ts'
import { readDecoder, writeDecoder } from '../families/decoder-config.ts'
import {
  gemmaDefaults,
  gemmaFields,
  gemmaParts,
  type LaterGemmaOptions,
  readLaterGemma,
  refuseForeignGemma,
  writeLaterGemma,
} from '../families/gemma-config.ts'
import { languageModel } from '../families/language-model.ts'
import { placeByName } from '../families/places.ts'
import { parseConfig, positive } from '../read-config.ts'
import type { TextSystem } from '../system.ts'

const configSchema = v.looseObject({
  ...gemmaFields,
  model_type: v.literal('gemma3_text'),
  rope_local_base_freq: v.optional(positive, 10000),
})

export interface Gemma3Options extends LaterGemmaOptions {
  /** Base of the rotation in layers with windows; they are never stretched. */
  readonly localRotaryBase: number
}

const defaults = { ...gemmaDefaults, rotaryBase: 1_000_000 }

const tiny = {
  context: 128,
  width: 128,
  layers: 6,
  heads: 4,
  keyValueHeads: 1,
  headWidth: 32,
  hidden: 344,
  normEpsilon: 1e-6,
  rotaryBase: 1_000_000,
  head: 'tied',
  queryScalar: 32,
  window: 16,
  globalEvery: 6,
  localRotaryBase: 10000,
} as const

/** Gemma 3, its text part: norms of queries and keys, five layers with windows for one without, two rotary bases. Gemma Team 2025. */
const gemma3: TextSystem<Gemma3Options> = {
  kind: 'text',
  id: 'gemma3',
  source: 'Gemma Team 2025, Gemma 3 Technical Report',
  modelTypes: ['gemma3_text'],
  presets: { tiny },
  readConfig(data) {
    const config = parseConfig(configSchema, flatRotation(data), 'config.json')
    refuseForeignGemma(config)
    const { hidden_act, ...rest } = config
    return {
      ...readDecoder({ ...rest, head_dim: config.head_dim ?? 256, normEpsilon: config.rms_norm_eps }, defaults),
      ...readLaterGemma(config, { window: 4096, globalEvery: 6 }),
      localRotaryBase: config.rope_local_base_freq,
    }
  },
  writeConfig: (options) => ({
    model_type: 'gemma3_text',
    ...writeDecoder(options, defaults),
    rms_norm_eps: options.normEpsilon,
    ...writeLaterGemma(options),
    rope_local_base_freq: options.localRotaryBase,
  }),
  build(options) {
    const { attention, ...parts } = gemmaParts(options)
    const { queryScalar, scoreCap, logitCap, globalEvery, window, localRotaryBase } = options
    const cap = scoreCap === undefined ? {} : { softCap: scoreCap }
    const all = { ...attention, scale: 1 / Math.sqrt(queryScalar), queryKeyNorm: parts.norm, ...cap }
    const local = { ...all, narrow: sliding(window), positions: rotary({ base: localRotaryBase }) }
    return languageModel(
      { ...parts, attention: (layer) => ((layer + 1) % globalEvery === 0 ? all : local), residual: sandwich },
      { head: options.head, ...(logitCap !== undefined && { softCap: logitCap }) },
    )
  },
  place: placeByName,
}
export default gemma3

const nestedSchema = v.looseObject({
  rope_parameters: v.looseObject({
    full_attention: v.record(v.string(), v.unknown()),
    sliding_attention: v.strictObject({ rope_type: v.literal('default'), rope_theta: positive }),
  }),
})

/** Newer files keep both rotations in `rope_parameters`, by the kind of layer. */
function flatRotation(data: unknown): unknown {
  const { success, output } = v.safeParse(nestedSchema, data)
  if (!success) return data
  const { full_attention, sliding_attention } = output.rope_parameters
  return { ...output, rope_parameters: full_attention, rope_local_base_freq: sliding_attention.rope_theta }
}
