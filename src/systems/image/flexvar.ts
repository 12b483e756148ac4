import { FlexibleScaleNetwork, flexibleTokenizer } from '../image-engines/flexible-scale-network.ts'
import { type ScaleOptions, scaleModules, scaleSchema } from '../image-engines/scale-network.ts'
import { ResizedPlaces } from '../image-engines/scale-places.ts'
import type { ImageSystem } from '../image-system.ts'
import { parseConfig } from '../read-config.ts'

/**
 * Next-scale prediction of whole pictures: one network for any schedule of scales, and for pictures of other sizes than it was trained on. Training
 * chooses among the tokenizer's scales, which should be many. Jiao et al. 2025.
 */
const flexvar: ImageSystem<ScaleOptions> = {
  kind: 'image',
  id: 'flexvar',
  source: 'Jiao et al. 2025, FlexVAR: Flexible Visual Autoregressive Modeling without Residual Prediction, arXiv:2502.20313',
  presets: {
    tiny: { width: 96, layers: 4, heads: 4, labelDrop: 0.1, queryKeyNorm: true },
    small: { width: 192, layers: 6, heads: 6, labelDrop: 0.1, queryKeyNorm: true },
  },
  readOptions: (value) => parseConfig(scaleSchema, value, 'flexvar'),
  build(options, context) {
    const tokenizer = flexibleTokenizer(context, 'flexvar')
    const modules = scaleModules(options, context, new ResizedPlaces(options.width))
    return new FlexibleScaleNetwork(modules, tokenizer, { classes: context.classes, labelDrop: options.labelDrop })
  },
}

export default flexvar
