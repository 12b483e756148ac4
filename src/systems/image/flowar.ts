import { FlowScaleNetwork, type FlowScaleOptions, flowScaleSchema } from '../image-engines/flow-scale-network.ts'
import type { ImageSystem } from '../image-system.ts'
import { parseConfig } from '../read-config.ts'

const shared = { labelDrop: 0.1, free: false } as const

/** Next-scale prediction of continuous values: any autoencoder's latents at doubling sizes, each drawn by flow matching. Ren et al. 2024. */
const flowar: ImageSystem<FlowScaleOptions> = {
  kind: 'image',
  id: 'flowar',
  source: 'Ren et al. 2024, FlowAR: Scale-wise Autoregressive Image Generation Meets Flow Matching, arXiv:2412.15205',
  presets: {
    tiny: { ...shared, width: 96, layers: 4, heads: 4, headWidth: 96, headLayers: 2 },
    small: { ...shared, width: 192, layers: 6, heads: 6, headWidth: 192, headLayers: 3 },
  },
  readOptions: (value) => parseConfig(flowScaleSchema, value, 'flowar'),
  build: (options, context) => new FlowScaleNetwork(options, context),
}

export default flowar
