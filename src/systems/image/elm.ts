import { raster } from '../../orders/index.ts'
import { TokenNetwork, type TokenOptions, tokenSchema } from '../image-engines/token-network.ts'
import type { ImageSystem } from '../image-system.ts'
import { parseConfig } from '../read-config.ts'

/** A plain language model of image tokens, in raster order. Liu et al. 2024. */
const elm: ImageSystem<TokenOptions> = {
  kind: 'image',
  id: 'elm',
  source: 'Liu et al. 2024, Elucidating the Design Space of Language Models for Image Generation',
  presets: {
    tiny: { width: 96, layers: 4, heads: 4, labelDrop: 0.1 },
    small: { width: 192, layers: 6, heads: 6, labelDrop: 0.1 },
  },
  readOptions: (value) => parseConfig(tokenSchema, value, 'elm'),
  build: (options, context) => new TokenNetwork(raster(), options, context),
}

export default elm
