import * as v from 'valibot'
import { raster } from '../../orders/index.ts'
import { MaskedNetwork } from '../image-engines/masked-network.ts'
import { TokenNetwork, tokenSchema } from '../image-engines/token-network.ts'
import type { ImageSystem } from '../image-system.ts'
import { parseConfig } from '../read-config.ts'

const schema = v.strictObject({
  ...tokenSchema.entries,
  /** 'ar': value after value in raster order. 'masked': all at once from those that are known. */
  modeling: v.optional(v.picklist(['ar', 'masked']), 'ar'),
})

type ElmOptions = v.InferOutput<typeof schema>

/** A plain language model of image tokens, in raster order or masked. Liu et al. 2024. */
const elm: ImageSystem<ElmOptions> = {
  kind: 'image',
  id: 'elm',
  source: 'Liu et al. 2024, Elucidating the Design Space of Language Models for Image Generation',
  presets: {
    tiny: { width: 96, layers: 4, heads: 4, labelDrop: 0.1, modeling: 'ar' },
    small: { width: 192, layers: 6, heads: 6, labelDrop: 0.1, modeling: 'ar' },
  },
  readOptions: (value) => parseConfig(schema, value, 'elm'),
  build: (options, context) =>
    options.modeling === 'ar'
      ? new TokenNetwork('elm', raster(), options, context)
      : new MaskedNetwork('elm', { ...options, rateCondition: false, compress: 1 }, context),
}

export default elm
