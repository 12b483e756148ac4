import * as v from 'valibot'
import { countValues } from '../../base/codes.ts'
import { OptionError } from '../../base/errors.ts'
import { mostlyMasked } from '../../orders/index.ts'
import { fittingTokenizer } from '../image-engines/fit-tokenizer.ts'
import { MarNetwork, marSchema } from '../image-engines/mar-network.ts'
import type { Phase } from '../image-engines/phases.ts'
import type { ImageContext, ImageSystem } from '../image-system.ts'
import { count, parseConfig } from '../read-config.ts'

const schema = v.strictObject({
  ...marSchema.entries,
  /** Steps of sampling: of the pivots, then of the dense grid. `steps` of a request goes before it. */
  iterations: v.optional(v.tuple([count, count]), [4, 4]),
})

export type HimarOptions = v.InferOutput<typeof schema>

/** The pivots, mostly masked, then the dense grid, masked by a cosine. Throws MismatchError without two scales, OptionError on too many iterations. */
function phasesOf({ iterations, leastMasked }: HimarOptions, { tokenizer }: ImageContext): Phase[] {
  const { layout } = fittingTokenizer('himar', tokenizer, { unit: 'vectors', parts: 'two' })
  const [pivots, dense] = layout.parts.map((part) => countValues({ parts: [part] })) as [number, number]
  if (iterations[0] > pivots || iterations[1] > dense)
    throw new OptionError(`iterations ${iterations.join(', ')}`, {
      expected: `at most the values of each scale, ${pivots} and ${dense}`,
    })
  return [
    { values: pivots, steps: iterations[0], rate: { ...mostlyMasked, least: leastMasked }, weight: 2 },
    { values: dense, steps: iterations[1], rate: 'cosine', weight: 0.75 },
  ]
}

const shared = { labelDrop: 0.1, rateCondition: false, leastMasked: 0.7, predicts: 'v', draws: 4, iterations: [4, 4] } as const

/**
 * Masked vectors of a low-resolution grid, then of the full one under them. Zheng et al. 2025. Both phases have the head of MAR, and pivots enter the
 * second as values, where the published model has a diffusion transformer for the second and hidden states of the first.
 */
const himar: ImageSystem<HimarOptions> = {
  kind: 'image',
  id: 'himar',
  source:
    'Zheng et al. 2025, Hierarchical Masked Autoregressive Models with Low-Resolution Token Pivots (Hi-MAR), arXiv:2505.20288',
  presets: {
    tiny: { ...shared, iterations: [4, 4], width: 96, layers: 4, heads: 4, headWidth: 128, headLayers: 3 },
    small: { ...shared, iterations: [4, 4], width: 192, layers: 6, heads: 6, headWidth: 256, headLayers: 3 },
  },
  readOptions: (value) => parseConfig(schema, value, 'himar'),
  build: (options, context) => {
    const { iterations: _, ...mar } = options
    return new MarNetwork('himar', mar, context, phasesOf(options, context))
  },
}

export default himar
