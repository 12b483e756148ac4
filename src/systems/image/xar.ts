import * as v from 'valibot'
import { NoisyNetwork, noisySchema } from '../image-engines/noisy-network.ts'
import type { ImageSystem } from '../image-system.ts'
import { count, parseConfig } from '../read-config.ts'

const schema = v.strictObject({
  ...noisySchema.entries,
  /** What is denoised at once. `image`: everything, which is plain flow matching. */
  unit: v.optional(v.picklist(['cell', 'subsample', 'token', 'scale', 'image']), 'cell'),
  /** Of cells and subsamples: how many along each axis `[y, x]`, or in all. Default for these two: 4. */
  groups: v.optional(v.union([count, v.array(count)])),
  /** What training shows of earlier groups: their noised values (xAR), or clean copies (teacher forcing, ACDiT). */
  context: v.optional(v.picklist(['noisy', 'clean']), 'noisy'),
})

export type XarOptions = v.InferOutput<typeof schema>

const shared = { unit: 'cell', groups: 4, context: 'noisy', labelDrop: 0.1 } as const

/** Next-X prediction: cells of a picture by flow matching, each after the ones before, which training shows noised. Ren et al. 2025. */
const xar: ImageSystem<XarOptions> = {
  kind: 'image',
  id: 'xar',
  source: 'Ren et al. 2025, Beyond Next-Token: Next-X Prediction for Autoregressive Visual Generation, arXiv:2502.20388',
  presets: {
    tiny: { ...shared, width: 96, layers: 4, heads: 4 },
    small: { ...shared, width: 192, layers: 6, heads: 6 },
  },
  readOptions: (value) => parseConfig(schema, value, 'xar'),
  build: ({ unit, groups, context, ...options }, image) => {
    const several = unit === 'cell' || unit === 'subsample'
    const number = groups ?? (several ? 4 : undefined)
    return new NoisyNetwork({ unit, context, ...(number !== undefined && { groups: number }) }, options, image)
  },
}

export default xar
