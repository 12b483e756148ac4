import * as v from 'valibot'
import { readDecoder, writeDecoder } from '../families/decoder-config.ts'
import { type GemmaOptions, gemmaDefaults, gemmaFields, gemmaParts, refuseForeignGemma } from '../families/gemma-config.ts'
import { languageModel } from '../families/language-model.ts'
import { placeByName } from '../families/places.ts'
import { parseConfig } from '../read-config.ts'
import type { TextSystem } from '../system.ts'

const configSchema = v.looseObject({ ...gemmaFields, model_type: v.literal('gemma') })

const tiny = {
  context: 128,
  width: 128,
  layers: 4,
  heads: 4,
  keyValueHeads: 1,
  headWidth: 32,
  hidden: 344,
  normEpsilon: 1e-6,
  rotaryBase: 10000,
  head: 'tied',
} as const

/** Gemma: Llama's layers with gated tanh-GELU, scaled embeddings and heads of their own width. Gemma Team 2024. */
const gemma: TextSystem<GemmaOptions> = {
  kind: 'text',
  id: 'gemma',
  source: 'Gemma Team 2024, Gemma: Open Models Based on Gemini Research and Technology',
  modelTypes: ['gemma'],
  presets: { tiny },
  readConfig(data) {
    const config = parseConfig(configSchema, data, 'config.json')
    refuseForeignGemma(config)
    const { hidden_act, ...rest } = config
    return readDecoder({ ...rest, head_dim: config.head_dim ?? 256, normEpsilon: config.rms_norm_eps }, gemmaDefaults)
  },
  writeConfig: (options) => ({ model_type: 'gemma', ...writeDecoder(options, gemmaDefaults), rms_norm_eps: options.normEpsilon }),
  build: (options) => languageModel(gemmaParts(options), options),
  place: placeByName,
}
export default gemma
