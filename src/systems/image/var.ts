import { ScaleNetwork, type ScaleOptions, scaleModules, scaleSchema, scaleTokenizer } from '../image-engines/scale-network.ts'
import { LearnedPlaces } from '../image-engines/scale-places.ts'
import type { ImageSystem } from '../image-system.ts'
import { parseConfig } from '../read-config.ts'

/**
 * Next-scale prediction: one map of values after another, coarse ones first. What is carried from map to map is the tokenizer's: sums of residuals in
 * the paper. Tian et al. 2024.
 */
const visualAutoregressive: ImageSystem<ScaleOptions> = {
  kind: 'image',
  id: 'var',
  source: 'Tian et al. 2024, Visual Autoregressive Modeling: Scalable Image Generation via Next-Scale Prediction, arXiv:2404.02905',
  presets: {
    tiny: { width: 96, layers: 4, heads: 4, labelDrop: 0.1, queryKeyNorm: true },
    small: { width: 192, layers: 6, heads: 6, labelDrop: 0.1, queryKeyNorm: true },
  },
  readOptions: (value) => parseConfig(scaleSchema, value, 'var'),
  build(options, context) {
    const tokenizer = scaleTokenizer(context, 'var')
    const modules = scaleModules(options, context, new LearnedPlaces(tokenizer.layout, options.width))
    return new ScaleNetwork(modules, tokenizer, { classes: context.classes, labelDrop: options.labelDrop })
  },
}

export default visualAutoregressive
