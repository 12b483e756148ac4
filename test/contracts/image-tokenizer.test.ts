import { namedVariables, readVariables, writeVariables } from '../../src/nn/index.ts'
import { openTaef2 } from '../../src/systems/index.ts'
import { bae, fsq, multiScale, patches, pyramid, vae, vq } from '../../src/tokenizers/image/build.ts'
import type { ImageTokenizer } from '../../src/tokenizers/image/image-tokenizer.ts'
import { taef2 } from '../../src/tokenizers/image/taef2.ts'
import { publishedData } from '../published-data.ts'
import { type ImageTokenizerCase, runImageTokenizerContract } from './image-tokenizer-contract.ts'

const grey = { channels: 1, height: 8, width: 8 }
const colour = { channels: 3, height: 8, width: 12 }
const odd = { channels: 1, height: 10, width: 10 }
const small = { width: 8, downsample: 2 } as const

const cases: readonly ImageTokenizerCase[] = [
  { name: 'vq', open: () => vq({ ...small, picture: grey, codes: 24, dimension: 4 }) },
  {
    name: 'vq, rows of length 1, colours',
    open: () => vq({ ...small, picture: colour, codes: 24, dimension: 4, normalize: true }),
  },
  { name: 'fsq', open: () => fsq({ ...small, picture: grey, levels: [5, 4, 3] }) },
  { name: 'fsq, several ids a place', open: () => fsq({ ...small, picture: grey, levels: [5, 4, 3, 2], split: 2 }) },
  { name: 'bae', open: () => bae({ ...small, picture: grey, bits: 6, split: 2 }) },
  {
    name: 'bae, lookup-free quantisation',
    open: () => bae({ ...small, picture: grey, bits: 6, deterministic: true, penalty: 'entropy' }),
  },
  { name: 'vae', open: () => vae({ ...small, picture: grey, channels: 3 }) },
  { name: 'multiScale, residual', open: () => multiScale({ ...small, picture: grey, scales: [1, 2, 4], codes: 24, dimension: 4 }) },
  {
    name: 'multiScale, latest, not square',
    open: () => multiScale({ ...small, picture: colour, scales: [1, [2, 3], [4, 6]], codes: 24, dimension: 4, carry: 'latest' }),
  },
  {
    name: 'multiScale, band',
    open: () => multiScale({ ...small, picture: odd, scales: [1, 3, 5], codes: 24, dimension: 4, carry: 'band' }),
  },
  {
    name: 'pyramid of a vae',
    open: () => pyramid({ base: vae({ ...small, picture: grey, channels: 3 }).toJSON(), scales: [1, 2, 4] }),
  },
  { name: 'patches', open: () => patches({ picture: colour, size: 4 }), exact: true },
]

const published = publishedData('models/taef2')

/** The published weights. */
async function loadPublished(tokenizer: ImageTokenizer): Promise<void> {
  const source = await openTaef2(published!, { picture: tokenizer.picture })
  await writeVariables(namedVariables(tokenizer), await readVariables(namedVariables(source)))
}

const pretrained: readonly ImageTokenizerCase[] =
  published === undefined ? [] : [{ name: 'taef2', open: () => taef2({ picture: { ...colour, width: 16 } }), load: loadPublished }]

for (const given of [...cases, ...pretrained]) runImageTokenizerContract(given)
