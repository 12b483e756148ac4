import { ScaleNetwork, type ScaleOptions, scaleModules, scaleSchema, scaleTokenizer } from '../image-engines/scale-network.ts'
import { LearnedPlaces } from '../image-engines/scale-places.ts'
import type { ImageSystem } from '../image-system.ts'
import { parseConfig } from '../read-config.ts'

/** Next-frequency prediction: VAR's network on bands of frequencies, low ones first. Huang et al. 2025. */
const nfig: ImageSystem<ScaleOptions> = {
  kind: 'image',
  id: 'nfig',
  source: 'Huang et al. 2025, NFIG: Autoregressive Image Generation with Next-Frequency Prediction, arXiv:2503.07076',
  presets: {
    tiny: { width: 96, layers: 4, heads: 4, labelDrop: 0.1, queryKeyNorm: true },
    small: { width: 192, layers: 6, heads: 6, labelDrop: 0.1, queryKeyNorm: true },
  },
  readOptions: (value) => parseConfig(scaleSchema, value, 'nfig'),
  build(options, context) {
    const tokenizer = scaleTokenizer(context, 'nfig', 'band')
    const modules = scaleModules(options, context, new LearnedPlaces(tokenizer.layout, options.width))
    return new ScaleNetwork(modules, tokenizer, { classes: context.classes, labelDrop: options.labelDrop })
  },
}

export default nfig
