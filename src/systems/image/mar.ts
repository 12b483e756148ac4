import { MarNetwork, type MarOptions, marSchema } from '../image-engines/mar-network.ts'
import type { ImageSystem } from '../image-system.ts'
import { parseConfig } from '../read-config.ts'

/**
 * Masked vectors in random order, each sampled by a small diffusion under what a transformer says of its place. Li et al. 2024. Every layer sees known
 * and masked values together, where the published model has an encoder of the known ones alone.
 */
const mar: ImageSystem<MarOptions> = {
  kind: 'image',
  id: 'mar',
  source: 'Li et al. 2024, Autoregressive Image Generation without Vector Quantization (MAR), arXiv:2406.11838',
  presets: {
    tiny: {
      width: 96,
      layers: 4,
      heads: 4,
      labelDrop: 0.1,
      rateCondition: false,
      leastMasked: 0.7,
      headWidth: 128,
      headLayers: 3,
      predicts: 'v',
      draws: 4,
    },
    small: {
      width: 192,
      layers: 6,
      heads: 6,
      labelDrop: 0.1,
      rateCondition: false,
      leastMasked: 0.7,
      headWidth: 256,
      headLayers: 3,
      predicts: 'v',
      draws: 4,
    },
  },
  readOptions: (value) => parseConfig(marSchema, value, 'mar'),
  build: (options, context) => new MarNetwork('mar', options, context),
}

export default mar
