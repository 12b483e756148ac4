import { MaskedNetwork, type MaskedOptions, maskedSchema } from '../image-engines/masked-network.ts'
import type { ImageSystem } from '../image-system.ts'
import { parseConfig } from '../read-config.ts'

/**
 * Masked image tokens, predicted in parallel and settled where they are surest. Chang et al. 2022; the condition on the mask rate and the compression
 * of features before the layers are those of Meissonic (Bai et al. 2024).
 */
const maskgit: ImageSystem<MaskedOptions> = {
  kind: 'image',
  id: 'maskgit',
  source:
    'Chang et al. 2022, MaskGIT, arXiv:2202.04200; Bai et al. 2024, Meissonic, arXiv:2410.08261: the mask rate as a condition, feature compression',
  presets: {
    tiny: { width: 96, layers: 4, heads: 4, labelDrop: 0.1, rateCondition: true, compress: 1 },
    small: { width: 192, layers: 6, heads: 6, labelDrop: 0.1, rateCondition: true, compress: 1 },
  },
  readOptions: (value) => parseConfig(maskedSchema, value, 'maskgit'),
  build: (options, context) => new MaskedNetwork('maskgit', options, context),
}

export default maskgit
