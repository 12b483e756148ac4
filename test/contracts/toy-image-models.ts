import type { LabelledPictures } from '../../src/base/pictures.ts'
import { loadImageSystem } from '../../src/systems/image-registry.ts'
import type { ImageSystem, SampleOptions } from '../../src/systems/image-system.ts'
import type { LabelledCodes } from '../../src/systems/image-task.ts'
import type { CarryKind, ImageTokenizer } from '../../src/tokenizers/index.ts'
import { patchCodes, pyramidCodes, toyPatches, toyPyramid } from './toy-patches.ts'
import { ThresholdTokenizer, thresholdCodes, toyPictures } from './toy-pictures.ts'
import { ShadesTokenizer, shadeCodes } from './toy-scales.ts'

export type ImageSystemCase =
  | 'fit lowers the loss'
  | 'the class decides'
  | 'guidance changes samples'
  | 'cached decoding = full mask'
  | 'score = sum of steps'
  | 'keeps what is given'
  | 'what is given of others changes nothing'
  | 'what is given whole comes back, without a call of the network'

/** How the contract opens a small model of a system, on 4×4 pictures of rows and columns. */
export interface ImageSystemSubject {
  readonly id: string
  readonly system: ImageSystem
  readonly options: Readonly<Record<string, unknown>>
  tokenizer(): ImageTokenizer
  codes(pictures: LabelledPictures): LabelledCodes
  readonly steps?: number
  readonly learningRate?: number
  /** Options of every sampling. */
  readonly sampling?: SampleOptions
  /** Cases that the system cannot pass, with the reason. */
  readonly skip?: Partial<Record<ImageSystemCase, string>>
}

type Toy = Omit<ImageSystemSubject, 'id' | 'system'>

const thresholds = {
  tokenizer: () => new ThresholdTokenizer(),
  codes: (pictures: LabelledPictures) => ({ codes: thresholdCodes(pictures), labels: pictures.labels }),
}

const doubling = [
  [1, 1],
  [2, 2],
  [4, 4],
] as const
const rising = [
  [1, 1],
  [2, 2],
  [3, 3],
  [4, 4],
] as const

const shades = (scales: readonly (readonly [number, number])[], carry: CarryKind) => ({
  tokenizer: () => new ShadesTokenizer(scales, carry),
  codes: shadeCodes(scales),
})

const patches = {
  tokenizer: toyPatches,
  codes: (pictures: LabelledPictures) => ({ codes: patchCodes(pictures), labels: pictures.labels }),
}

const pyramids = {
  tokenizer: () => toyPyramid(),
  codes: (pictures: LabelledPictures) => ({ codes: pyramidCodes(pictures), labels: pictures.labels }),
}

const pivots = {
  tokenizer: () => toyPyramid([2, 4]),
  codes: (pictures: LabelledPictures) => ({ codes: pyramidCodes(pictures, [2, 4]), labels: pictures.labels }),
}

/** Masked networks are fed whole at every step. */
const uncached = { skip: { 'cached decoding = full mask': 'nothing is cached: every step feeds all slots' } } as const

/** A line per system, and for each further way to build it: the first word is the system. */
const toys: Readonly<Record<string, Toy>> = {
  elm: { ...thresholds, options: { width: 32, layers: 2, heads: 2 } },
  'elm masked': { ...thresholds, ...uncached, options: { modeling: 'masked', width: 32, layers: 2, heads: 2 } },
  maskgit: { ...thresholds, ...uncached, options: { width: 32, layers: 2, heads: 2 } },
  'maskgit compressed': { ...thresholds, ...uncached, options: { width: 32, layers: 2, heads: 2, compress: 2 } },
  flexvar: { ...shades(rising, 'latest'), options: { width: 32, layers: 2, heads: 2 } },
  flowar: {
    ...pyramids,
    options: { width: 32, layers: 2, heads: 1, headWidth: 32, headLayers: 1 },
    sampling: { innerSteps: 6 },
  },
  himar: {
    ...pivots,
    ...uncached,
    options: { width: 32, layers: 2, heads: 2, headWidth: 32, headLayers: 2, leastMasked: 0 },
    sampling: { innerSteps: 8 },
  },
  mar: {
    ...patches,
    ...uncached,
    options: { width: 32, layers: 2, heads: 2, headWidth: 32, headLayers: 2, leastMasked: 0 },
    sampling: { innerSteps: 8 },
  },
  nar: { ...thresholds, options: { width: 32, layers: 3, heads: 2 } },
  nfig: { ...shades(doubling, 'band'), options: { width: 32, layers: 2, heads: 2 } },
  starflow: {
    ...patches,
    options: { width: 32, heads: 2, layers: [1, 1, 2], noise: { gaussian: 0.05 } },
    skip: {
      'cached decoding = full mask': 'no plan network: its inverse is held against its forward pass elsewhere',
      'keeps what is given': 'a flow keeps no given values',
      'what is given of others changes nothing': 'a flow keeps no given values',
      'what is given whole comes back, without a call of the network': 'a flow keeps no given values',
    },
  },
  var: { ...shades(doubling, 'residual'), options: { width: 32, layers: 2, heads: 2 } },
  xar: { ...patches, options: { width: 32, layers: 2, heads: 2, groups: [2, 1] }, sampling: { innerSteps: 6 } },
  'xar clean': {
    ...patches,
    options: { width: 32, layers: 2, heads: 2, unit: 'subsample', context: 'clean' },
    sampling: { innerSteps: 6 },
    skip: { 'cached decoding = full mask': 'what is kept are copies, not what is fed; it has a test of its own' },
  },
}

export const toyNames: readonly string[] = Object.keys(toys)

export async function toyImageSubject(id: string): Promise<ImageSystemSubject> {
  const toy = toys[id]
  if (toy === undefined) throw new Error(`no toy for the system ${id}: add a line to toy-image-models.ts`)
  return { id, system: await loadImageSystem(id.split(' ')[0]!), ...toy }
}

export { toyPictures }
