import * as v from 'valibot'
import { sandwich, sliding } from '../../nn/index.ts'
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
import { parseConfig } from '../read-config.ts'
import type { TextSystem } from '../system.ts'

const configSchema = v.looseObject({ ...gemmaFields, model_type: v.literal('gemma2') })

export type Gemma2Options = LaterGemmaOptions

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
  queryScalar: 32,
  scoreCap: 50,
  logitCap: 30,
  window: 16,
  globalEvery: 2,
} as const

/** Gemma 2: norms before and behind each part, windows in every other layer, capped scores and logits. Gemma Team 2024. */
const gemma2: TextSystem<Gemma2Options> = {
  kind: 'text',
  id: 'gemma2',
  source: 'Gemma Team 2024, Gemma 2: Improving Open Language Models at a Practical Size',
  modelTypes: ['gemma2'],
  presets: { tiny },
  readConfig(data) {
    const config = parseConfig(configSchema, data, 'config.json')
    refuseForeignGemma(config)
    const { hidden_act, ...rest } = config
    return {
      ...readDecoder({ ...rest, head_dim: config.head_dim ?? 256, normEpsilon: config.rms_norm_eps }, gemmaDefaults),
      ...readLaterGemma(config, { window: 4096, globalEvery: 2, caps: [50, 30] }),
    }
  },
  writeConfig: (options) => ({
    model_type: 'gemma2',
    ...writeDecoder(options, gemmaDefaults),
    rms_norm_eps: options.normEpsilon,
    ...writeLaterGemma(options),
  }),
  build(options) {
    const { attention, ...parts } = gemmaParts(options)
    const { queryScalar, scoreCap, logitCap, globalEvery } = options
    const all = { ...attention, scale: 1 / Math.sqrt(queryScalar), ...(scoreCap !== undefined && { softCap: scoreCap }) }
    const local = { ...all, narrow: sliding(options.window) }
    return languageModel(
      { ...parts, attention: (layer) => ((layer + 1) % globalEvery === 0 ? all : local), residual: sandwich },
      { head: options.head, ...(logitCap !== undefined && { softCap: logitCap }) },
    )
  },
  place: placeByName,
}
export default gemma2
