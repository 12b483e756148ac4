import { DataError, OptionError } from '../../base/errors.ts'
import type { PictureSize } from '../../base/pictures.ts'
import { createRng } from '../../base/rng.ts'
import { initialize } from '../../nn/index.ts'
import { exists } from '../../platform/files.ts'
import { loadImageTokenizer } from '../../systems/index.ts'
import { bae, fsq, type ImageTokenizer, multiScale, patches, pyramid, vae, vq } from '../../tokenizers/index.ts'
import type { TokenizerFlag } from '../train.ts'

/** Whether sides of grids must be even or odd. */
type Parity = 'even' | 'odd'

/** What a system is trained with unless told otherwise. */
interface UsualTokenizer {
  /** As `--tokenizer` names it. */
  readonly name: string
  readonly sides?: Parity
  /** Of the system, besides those of its presets. */
  readonly options?: Readonly<Record<string, unknown>>
}

export const usualTokenizers: Readonly<Record<string, UsualTokenizer>> = {
  elm: { name: 'vq' },
  flexvar: { name: 'multi-scale:latest' },
  // Grids rarely have sides that double all the way.
  flowar: { name: 'pyramid', options: { free: true } },
  himar: { name: 'pivots' },
  mar: { name: 'vae' },
  maskgit: { name: 'vq' },
  nar: { name: 'vq' },
  nfig: { name: 'multi-scale:band' },
  starflow: { name: 'patches' },
  var: { name: 'multi-scale' },
  // Two cells by two.
  xar: { name: 'vae', sides: 'even' },
}

/** Reads what follows the colon, and then makes tokenizers for pictures of a size. */
type Recipe = (argument: string | undefined) => (picture: PictureSize, sides?: Parity) => ImageTokenizer

const recipes: Readonly<Record<string, Recipe>> = {
  vq: (argument) => {
    const codes = whole(argument, 256)
    return (picture) => vq({ ...networkOf(picture), codes, dimension: 8 })
  },
  // About as many ids as of vq: 240.
  fsq: (argument = '8,6,5') => {
    const levels = argument.split(',').map((each) => whole(each, 0))
    return (picture) => fsq({ ...networkOf(picture), levels })
  },
  bae: (argument) => {
    const bits = whole(argument, 12)
    return (picture) => bae({ ...networkOf(picture), bits, split: bits % 2 === 0 ? 2 : 1 })
  },
  vae: (argument) => {
    const channels = whole(argument, 4)
    return (picture, sides) => vae({ ...networkOf(picture, sides), channels })
  },
  'multi-scale': (carry = 'residual') => {
    if (carry !== 'residual' && carry !== 'latest' && carry !== 'band')
      throw new OptionError(`--tokenizer multi-scale:${carry}`, { expected: 'residual, latest or band after the colon' })
    // Odd sides hold whole bands of frequencies.
    const sides = carry === 'band' ? 'odd' : undefined
    return (picture) => {
      const network = networkOf(picture, sides)
      return multiScale({ ...network, codes: 256, dimension: 8, scales: scalesOf(picture, network.downsample, sides), carry })
    }
  },
  pyramid: (argument) => {
    const channels = whole(argument, 4)
    return (picture) => {
      const network = networkOf(picture)
      return pyramid({ base: vae({ ...network, channels }).toJSON(), scales: scalesOf(picture, network.downsample) })
    }
  },
  pivots: (argument) => {
    const channels = whole(argument, 4)
    return (picture) => {
      const network = networkOf(picture, 'even')
      const full = [picture.height / network.downsample, picture.width / network.downsample] as const
      const half = [full[0] / 2, full[1] / 2] as const
      return pyramid({ base: vae({ ...network, channels }).toJSON(), scales: [half, full] })
    }
  },
  patches: (argument) => {
    const size = whole(argument, 4)
    return (picture) => patches({ picture, size })
  },
}

/** What a flag names, before the pictures are known. */
export interface NamedTokenizer {
  /** Ones that could be meant: the trained one, or some without weights for pictures of sizes that may suit the system. They throw as `open` does. */
  readonly examples: readonly (() => ImageTokenizer)[]
  /** With first weights, or those of its folder. Throws DataError or MismatchError when the pictures are not for it. */
  open(picture: PictureSize, seed: number): Promise<{ readonly tokenizer: ImageTokenizer; readonly trained: boolean }>
}

/**
 * The tokenizer that a flag names; without one, that of the system. What has no weights yet is not read from anywhere.
 * @throws OptionError on a name that is none and on what a tokenizer of that name does not take, DataError, FormatError or MismatchError on a folder
 * that holds none.
 */
export async function namedTokenizer(flag: TokenizerFlag | undefined, system: string): Promise<NamedTokenizer> {
  const usual = usualTokenizers[system] ?? { name: 'vq' }
  const name = flag === undefined ? usual.name : nameOf(flag)
  const [kind, argument] = name.split(':') as [string, string?]
  const recipe = Object.hasOwn(recipes, kind) ? recipes[kind] : undefined
  if (recipe === undefined) return trainedTokenizer(name)
  const make = recipe(argument)
  const sides = flag === undefined ? usual.sides : undefined
  return {
    examples: exampleSides(kind, argument).map((side) => () => make({ channels: 1, height: side, width: side }, sides)),
    async open(picture, seed) {
      const tokenizer = make(picture, sides)
      await initialize(tokenizer, createRng(seed).fold('tokenizer'))
      return { tokenizer, trained: tokenizer.losses === undefined }
    },
  }
}

async function trainedTokenizer(folder: string): Promise<NamedTokenizer> {
  if (!(await exists(folder))) {
    throw new OptionError(`there is no tokenizer of pictures '${folder}'`, {
      expected: `one of ${Object.keys(recipes).join(', ')}, or the folder of a trained one`,
    })
  }
  const tokenizer = await loadImageTokenizer(folder)
  return { examples: [() => tokenizer], open: async () => ({ tokenizer, trained: true }) }
}

/** Sides of pictures: the first have grids of any parity. */
function exampleSides(kind: string, argument: string | undefined): number[] {
  const patch = kind === 'patches' ? whole(argument, 4) : 4
  return [14 * patch, 8 * patch]
}

function nameOf(flag: TokenizerFlag): string {
  if (typeof flag === 'object' && 'path' in flag) return flag.path
  throw new OptionError(`--tokenizer ${typeof flag === 'string' ? flag : `bpe:${flag.bpe}`} is for text`, {
    expected: `for pictures one of ${Object.keys(recipes).join(', ')}, or the folder of a trained one`,
  })
}

function whole(text: string | undefined, usual: number): number {
  if (text === undefined) return usual
  if (/^\d{1,6}$/.test(text)) return Number(text)
  throw new OptionError(`--tokenizer: ${JSON.stringify(text)} after the colon`, { expected: 'a whole number' })
}

/** Least side of a grid of latents, where pictures allow it. */
const leastSide = 7

/** The most pixels to a latent that leave a grid worth modelling. Throws DataError when no grid of such sides fits the pictures. */
function networkOf(picture: PictureSize, parity?: Parity) {
  const { height, width } = picture
  const fits = (side: number) => Number.isInteger(side) && (parity === undefined || side % 2 === (parity === 'even' ? 0 : 1))
  const fitting = ([8, 4, 2] as const).filter((each) => fits(height / each) && fits(width / each))
  const downsample = fitting.find((each) => Math.min(height, width) / each >= leastSide) ?? fitting.at(-1)
  if (downsample === undefined) {
    throw new DataError(`pictures of ${height} × ${width} pixels have no grid of latents with ${parity ?? 'whole'} sides`, {
      expected: 'sides that are 2, 4 or 8 times as long',
      fix: 'give another --size',
    })
  }
  return { picture, downsample }
}

const mostScales = 5

/** Grids of sides that grow by about the same factor, from one value to all. */
function scalesOf({ height, width }: PictureSize, downsample: number, parity?: Parity): (readonly [number, number])[] {
  const grid = [height / downsample, width / downsample] as const
  const longest = Math.max(...grid)
  const count = Math.min(mostScales, longest)
  const sides = Array.from({ length: count }, (_, k) => Math.round(longest ** (k / Math.max(1, count - 1))))
  const kept = (side: number) => (parity === 'odd' && side % 2 === 0 ? side + 1 : side)
  const scaled = (side: number) => grid.map((all) => Math.min(all, kept(Math.max(1, Math.round((all * side) / longest)))))
  const sizes = sides.map(scaled) as [number, number][]
  return sizes.filter(([y, x], k) => k === 0 || y !== sizes[k - 1]![0] || x !== sizes[k - 1]![1])
}
