import { neighbours } from '../../orders/index.ts'
import { fittingTokenizer } from '../image-engines/fit-tokenizer.ts'
import { TokenNetwork, type TokenOptions, tokenSchema } from '../image-engines/token-network.ts'
import type { ImageSystem } from '../image-system.ts'
import { parseConfig } from '../read-config.ts'

/**
 * Next-neighbour prediction: all values at one distance from the corner at once, each by the mean of what its left and its upper neighbour say.
 * He et al. 2025.
 */
const nar: ImageSystem<TokenOptions> = {
  kind: 'image',
  id: 'nar',
  source: 'He et al. 2025, Neighboring Autoregressive Modeling for Efficient Visual Generation, arXiv:2503.10696',
  presets: {
    tiny: { width: 96, layers: 4, heads: 4, labelDrop: 0.1 },
    small: { width: 192, layers: 6, heads: 6, labelDrop: 0.1 },
  },
  readOptions: (value) => parseConfig(tokenSchema, value, 'nar'),
  build: (options, context) => {
    fittingTokenizer('nar', context.tokenizer, { unit: 'ids', parts: 'one' })
    return new TokenNetwork('nar', neighbours(), options, context)
  },
}

export default nar
