import * as v from 'valibot'
import { gelu, layerNorm, learned, zeros } from '../../nn/index.ts'
import { languageModel } from '../families/language-model.ts'
import { count, layerCount, parseConfig } from '../read-config.ts'
import type { TextSystem } from '../system.ts'

const optionsSchema = v.strictObject({
  vocabularySize: count,
  context: count,
  width: count,
  layers: layerCount,
  heads: count,
  /** Width of the MLP's middle. */
  hidden: count,
  /** Biases in linears and norms, as GPT-2 has. */
  bias: v.boolean(),
  head: v.picklist(['tied', 'separate']),
})

export type GptOptions = v.InferOutput<typeof optionsSchema>

const tiny = { context: 128, width: 128, layers: 4, heads: 4, hidden: 512, bias: false, head: 'tied' } as const

/** GPT-2: pre-norm transformer with learned positions and erf-GELU. Radford et al. 2019. */
const gpt: TextSystem<GptOptions> = {
  kind: 'text',
  id: 'gpt',
  source: 'Radford et al. 2019, Language Models are Unsupervised Multitask Learners',
  modelTypes: ['nextx-gpt'],
  presets: {
    /** 0.8M parameters. */
    tiny,
    /** 4.8M parameters. */
    small: { ...tiny, width: 256, layers: 6, heads: 8, hidden: 1024 },
    /** 124M parameters with GPT-2's vocabulary. */
    base: { context: 1024, width: 768, layers: 12, heads: 12, hidden: 3072, bias: true, head: 'tied' },
  },
  readConfig(config) {
    const { model_type, ...options } = parseConfig(v.looseObject({ model_type: v.literal('nextx-gpt') }), config, 'config.json')
    return parseConfig(optionsSchema, options, `config.json (${model_type})`)
  },
  writeConfig: (options) => ({ model_type: 'nextx-gpt', ...options }),
  build(given) {
    const { bias, head, heads, hidden, ...sizes } = parseConfig(optionsSchema, given, 'gpt')
    return languageModel(
      {
        ...sizes,
        attention: { heads },
        mlp: gelu(hidden),
        norm: layerNorm({ bias }),
        positions: learned(),
        ...(bias && { bias: zeros }),
      },
      { head },
    )
  },
}
export default gpt
