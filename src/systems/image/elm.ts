import * as v from 'valibot'
import { raster } from '../../orders/index.ts'
import { RasterNetwork } from '../image-engines/raster-network.ts'
import type { ImageSystem } from '../image-system.ts'
import { count, layerCount, parseConfig } from '../read-config.ts'

const schema = v.strictObject({
  width: v.optional(count, 96),
  layers: v.optional(layerCount, 4),
  heads: v.optional(count, 4),
  labelDrop: v.optional(v.pipe(v.number(), v.minValue(0), v.ltValue(1)), 0.1),
})

export type ElmOptions = v.InferOutput<typeof schema>

/**
 * A plain language model of image tokens, in raster order. Tang et al. 2024 (Elucidating the design space of language models for image
 * generation).
 */
const elm: ImageSystem<ElmOptions> = {
  kind: 'image',
  id: 'elm',
  source: 'Liu et al. 2024, Elucidating the Design Space of Language Models for Image Generation',
  presets: {
    tiny: { width: 96, layers: 4, heads: 4, labelDrop: 0.1 },
    small: { width: 192, layers: 6, heads: 6, labelDrop: 0.1 },
  },
  readOptions: (value) => parseConfig(schema, value, 'elm'),
  build: (options, context) => new RasterNetwork(raster(), options, context),
}

export default elm
