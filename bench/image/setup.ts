import { existsSync, mkdirSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { createRng, openDevice } from 'nextx'
import { type LabelledPictures, selectPictures } from 'nextx/data'
import { initialize, namedVariables, readVariables, writeVariables } from 'nextx/nn'
import type { Device } from 'nextx/platform'
import { encodePictures, imageTokenizerTask, type LabelledCodes, loadImageTokenizer, saveImageTokenizer } from 'nextx/systems'
import { bae, type ImageTokenizer, multiScale, patches, pyramid, vae, vq } from 'nextx/tokenizers'
import { adamw, cosine, fit } from 'nextx/train'
import { digits, fashionMnist, type PictureSet } from '../lib/picture-data.ts'

/** What is learnt once and used by all arms lies here; git ignores it. */
export const runs = fileURLToPath(new URL('../../runs/image/', import.meta.url))

export type DataName = 'fashion' | 'digits'

/** Most pictures that arms learn from: the first so many. */
const mostPictures = 30_000

/** Most pictures by which options are chosen: those after. */
const mostDevelopment = 10_000

/** Pictures to learn from, to choose options by, and held out. */
export interface ArmPictures extends PictureSet {
  readonly development: LabelledPictures
}

/** Throws when Fashion-MNIST is not installed. */
export async function pictureSet(name: DataName): Promise<ArmPictures> {
  const set = name === 'digits' ? await digits() : await fashionMnist()
  if (set === undefined) throw new Error('the benchmark needs Fashion-MNIST')
  const size = Math.min(mostPictures, Math.floor(0.8 * set.train.count))
  const development = range(size, Math.min(size + mostDevelopment, set.train.count))
  return { train: first(set.train, size), development: selectPictures(set.train, development), test: set.test }
}

function range(start: number, end: number): Int32Array {
  return Int32Array.from({ length: end - start }, (_, i) => start + i)
}

export function first(pictures: LabelledPictures, count: number): LabelledPictures {
  return selectPictures(pictures, range(0, Math.min(count, pictures.count)))
}

const picture = { channels: 1, height: 28, width: 28 }

interface TokenizerRecipe {
  readonly make: () => ImageTokenizer
  /** Updates of 16 pictures; 0: nothing is trained. */
  readonly steps: number
}

/** Updates of 16 pictures: one pass over what arms learn from, which gives more decibels than as many pictures in updates of 64. */
export const tokenizerSteps = 2000

const steps = tokenizerSteps

/** Half the default: all that 28 × 28 grey pictures need. */
const width = 16

/** Tokenizers that several arms share: 7×7 latents of 28×28 pictures. */
export const recipes = {
  vq: { make: () => vq({ picture, width, codes: 256, dimension: 8 }), steps },
  bae: { make: () => bae({ picture, width, bits: 12, split: 2, weight: 0.02 }), steps },
  residual: { make: () => multiScale({ picture, width, codes: 256, dimension: 8, scales: [1, 2, 3, 5, 7] }), steps },
  latest: {
    make: () => multiScale({ picture, width, codes: 256, dimension: 8, scales: [1, 2, 3, 4, 5, 6, 7], carry: 'latest' }),
    steps,
  },
  band: { make: () => multiScale({ picture, width, codes: 256, dimension: 8, scales: [1, 3, 5, 7], carry: 'band' }), steps },
  vae: { make: () => vae({ picture, width, channels: 4 }), steps },
  patches: { make: () => patches({ picture, size: 4 }), steps: 0 },
} satisfies Record<string, TokenizerRecipe>

/** `pyramid`: the latents of `vae` at several sizes. */
export type TokenizerName = keyof typeof recipes | 'pyramid'

/** A trained tokenizer, from `runs` if it was trained before. */
export async function tokenizer(name: TokenizerName, data: DataName, set: PictureSet, device: Device): Promise<ImageTokenizer> {
  if (name === 'pyramid') return pyramidOf(await tokenizer('vae', data, set, device))
  const { make, steps }: TokenizerRecipe = recipes[name]
  const folder = `${runs}tokenizers/${data}-${name}`
  if (steps > 0 && existsSync(folder)) return loadImageTokenizer(folder)
  const made = make()
  await initialize(made, createRng(1).fold('tokenizer'))
  if (steps === 0) return made
  await fit(imageTokenizerTask(made, { pictures: set.train, batch: 16, seed: 1 }), {
    device,
    steps,
    learningRate: cosine({ peak: 2e-3, warmup: 50, steps }),
    optimizer: adamw({ betas: [0.9, 0.95], weightDecay: 0 }),
    clip: 1,
  })
  mkdirSync(`${runs}tokenizers`, { recursive: true })
  await saveImageTokenizer(made, folder)
  return made
}

async function pyramidOf(base: ImageTokenizer): Promise<ImageTokenizer> {
  const made = pyramid({ base: base.toJSON(), scales: [1, 2, 4, 7] })
  const weights = await readVariables(namedVariables(base))
  await writeVariables(namedVariables(made), new Map([...weights].map(([key, tensor]) => [`base.${key}`, tensor])))
  return made
}

export async function labelledCodes(made: ImageTokenizer, pictures: LabelledPictures, device: Device): Promise<LabelledCodes> {
  return { codes: await encodePictures(made, pictures, { device }), labels: pictures.labels }
}

export function openArmDevice(threads = 1): Promise<Device> {
  return openDevice({ threads })
}
