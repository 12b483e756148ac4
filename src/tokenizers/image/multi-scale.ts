import type { Unit } from '../../base/codes.ts'
import { elementCount } from '../../base/dtype.ts'
import { OptionError } from '../../base/errors.ts'
import type { Layout } from '../../base/model.ts'
import type { PictureSize } from '../../base/pictures.ts'
import { PictureDecoder, PictureEncoder, resize2d } from '../../nn/index.ts'
import {
  add,
  concat,
  expand,
  mean,
  multiply,
  reshape,
  scalar,
  split,
  square,
  squeeze,
  stopGradient,
  subtract,
  type Tensor,
  unsqueeze,
} from '../../tensor/index.ts'
import { straightThrough } from './bottleneck.ts'
import { Codebook, type CodebookOptions } from './codebook.ts'
import type { NetworkOptions } from './grid-tokenizer.ts'
import type { ImageTokenizer, ImageTokenizerFile, NoiseSpec, TokenizerLoss } from './image-tokenizer.ts'
import { type CarryKind, type ScaleCarry, scaleCarry } from './scale-carry.ts'
import { type GridSize, shrunkGrid, toGrid, toVectors } from './value-grid.ts'

export interface MultiScaleSettings extends NetworkOptions {
  /** Coarse ones first; the last is the latents' own size. */
  readonly scales: readonly GridSize[]
  readonly carry: CarryKind
  /** How much latents are drawn towards what the codes make of them. */
  readonly commitment: number
}

/** What tokenizers of other scales have in common. */
type Shared = Pick<MultiScaleTokenizer, 'encoder' | 'codebook' | 'decoder'>

/** The grids of one pass over the scales, and the running totals. */
interface Walk {
  readonly ids: readonly Tensor[]
  /** What each part was to say, and the rows it says, `[batch, value, dimension]`. */
  readonly vectors: readonly Tensor[]
  readonly totals: readonly Tensor[]
}

/**
 * A latent as grids of several scales over one codebook. With the carries `residual` (VAR) and `band` (NFIG), totals are latents of full
 * size, which the decoder reads. With `latest` (FlexVAR), every part is a latent of its own size, and the decoder makes a small picture of it.
 */
export class MultiScaleTokenizer implements ImageTokenizer {
  readonly kind: string
  readonly picture: PictureSize
  readonly unit: Unit
  readonly layout: Layout
  readonly embeddingWidth: number
  readonly noise: Readonly<Record<string, NoiseSpec>>
  readonly encoder: PictureEncoder
  readonly codebook: Codebook
  readonly decoder: PictureDecoder
  readonly carried: ScaleCarry
  readonly carryKind: CarryKind
  readonly withScales?: (scales: readonly GridSize[]) => ImageTokenizer
  readonly #settings: MultiScaleSettings
  readonly #counts: readonly number[]
  readonly #file: ImageTokenizerFile

  constructor(settings: MultiScaleSettings, codebook: CodebookOptions, file: ImageTokenizerFile, shared?: Shared) {
    const { picture, width, downsample, scales } = settings
    checkScales(scales, shrunkGrid(picture, downsample, 'downsample'))
    this.#settings = settings
    this.#file = file
    this.#counts = scales.map((size) => elementCount(size))
    this.kind = file.kind
    this.picture = { ...picture }
    this.unit = { kind: 'ids', vocabulary: [codebook.codes] }
    this.layout = { parts: scales.map((size) => ({ shape: [...size] })) }
    this.embeddingWidth = codebook.dimension
    this.noise = { picks: { kind: 'uniform', shape: [this.#counts.reduce((a, b) => a + b)] } }
    this.encoder = shared?.encoder ?? new PictureEncoder({ picture, width, downsample, latent: codebook.dimension })
    this.codebook = shared?.codebook ?? new Codebook(codebook)
    this.decoder = shared?.decoder ?? new PictureDecoder({ picture, width, downsample, latent: codebook.dimension })
    this.carryKind = settings.carry
    this.carried = scaleCarry(settings.carry, scales, codebook.dimension)
    if (settings.carry === 'latest') this.withScales = (others) => this.#at(gridSizes(others), codebook)
  }

  encode(pictures: Tensor): Tensor {
    return unsqueeze(concat(this.#walk(this.encoder.forward(pictures)).ids, 1), -1)
  }

  decode(values: Tensor, known: Tensor): Tensor {
    const rows = this.#split(this.embed(values))
    const shares = this.#split(unsqueeze(known, -1))
    return this.#settings.carry === 'latest' ? this.#paintLatest(rows, shares) : this.#paintSum(rows, shares)
  }

  embed(values: Tensor): Tensor {
    return this.codebook.lookup(squeeze(values, -1))
  }

  carry(values: Tensor): Tensor {
    const rows = this.#split(this.embed(values))
    const { scales } = this.#settings
    const inputs = [expand(scalar(0), rows[0]!.shape)]
    let total: Tensor | undefined
    for (let k = 1; k < scales.length; k++) {
      total = this.carried.join(total, toGrid(rows[k - 1]!, scales[k - 1]!), k - 1)
      inputs.push(toVectors(this.carried.next(total, k)))
    }
    return concat(inputs, 1)
  }

  losses(pictures: Tensor, { picks }: Readonly<Record<string, Tensor>>): TokenizerLoss {
    const latents = this.encoder.forward(pictures)
    const { ids, vectors, totals } = this.#walk(latents)
    const reconstruction =
      this.#settings.carry === 'latest' ? this.#errorOfEach(pictures, latents, totals) : this.#errorOfSum(pictures, latents, totals)
    const commitment = this.#distance(latents, totals)
    const { dimension } = this.codebook.options
    const flat = (parts: readonly Tensor[], shape: readonly number[]) => reshape(concat(parts, 1), shape)
    const { updates, share } = this.codebook.learn(
      stopGradient(flat(vectors, [-1, dimension])),
      flat(ids, [-1]),
      reshape(picks!, [-1]),
    )
    return { total: add(reconstruction, commitment), parts: { reconstruction, commitment, usage: share }, updates }
  }

  toJSON(): ImageTokenizerFile {
    return this.#file
  }

  #at(scales: readonly GridSize[], codebook: CodebookOptions): MultiScaleTokenizer {
    const { channels } = this.picture
    const [height, width] = (scales.at(-1) ?? [0, 0]).map((side) => side * this.#settings.downsample) as [number, number]
    const changed = { picture: { channels, height, width }, scales }
    return new MultiScaleTokenizer({ ...this.#settings, ...changed }, codebook, { ...this.#file, ...changed }, this)
  }

  #walk(latents: Tensor): Walk {
    const walk = { ids: [] as Tensor[], vectors: [] as Tensor[], totals: [] as Tensor[] }
    for (const [k, size] of this.#settings.scales.entries()) {
      // The search takes no gradients: they reach the latents straight through the totals.
      const vectors = toVectors(this.carried.target(stopGradient(latents), walk.totals.at(-1), k))
      const ids = this.codebook.nearest(vectors)
      walk.ids.push(ids)
      walk.vectors.push(vectors)
      walk.totals.push(this.carried.join(walk.totals.at(-1), toGrid(this.codebook.lookup(ids), size), k))
    }
    return walk
  }

  /** Mean over scales of |total − sg(ideal)|², which trains what is between codes and totals, and of the latents' commitment. */
  #distance(latents: Tensor, totals: readonly Tensor[]): Tensor {
    const terms = totals.map((total, k) => {
      const ideal = this.carried.ideal(latents, k)
      const learned = mean(square(subtract(total, stopGradient(ideal))))
      const committed = mean(square(subtract(stopGradient(total), ideal)))
      return add(learned, multiply(committed, this.#settings.commitment))
    })
    return multiply(
      terms.reduce((a, b) => add(a, b)),
      1 / terms.length,
    )
  }

  #errorOfSum(pictures: Tensor, latents: Tensor, totals: readonly Tensor[]): Tensor {
    return squaredError(this.decoder.forward(bothWays(latents, totals.at(-1)!)), pictures)
  }

  /** Every scale against the pictures at its size; larger ones count more, as they have more pixels. */
  #errorOfEach(pictures: Tensor, latents: Tensor, totals: readonly Tensor[]): Tensor {
    const { downsample, scales } = this.#settings
    const whole = this.#counts.reduce((a, b) => a + b)
    const terms = scales.map(([height, width], k) => {
      const target = resize2d(pictures, 'area', [height * downsample, width * downsample])
      const latent = straightThrough(this.carried.ideal(latents, k), totals[k]!)
      return multiply(squaredError(this.decoder.forward(latent), target), this.#counts[k]! / whole)
    })
    return terms.reduce((a, b) => add(a, b))
  }

  #paintSum(rows: readonly Tensor[], shares: readonly Tensor[]): Tensor {
    let total: Tensor | undefined
    for (const [k, size] of this.#settings.scales.entries())
      total = this.carried.join(total, toGrid(multiply(rows[k]!, shares[k]!), size), k)
    return this.decoder.forward(total!)
  }

  /** Each place shows the finest scale that is known there; decoders of finer ones see coarser ones around it. */
  #paintLatest(rows: readonly Tensor[], shares: readonly Tensor[]): Tensor {
    const { picture, scales } = this.#settings
    const full: GridSize = [picture.height, picture.width]
    let [latent, painted]: (Tensor | undefined)[] = []
    for (const [k, size] of scales.entries()) {
      const below = latent === undefined ? this.codebook.average() : toVectors(this.carried.next(latent, k))
      latent = toGrid(blend(below, rows[k]!, shares[k]!), size)
      const own = resize2d(this.decoder.forward(latent), 'bicubic', full)
      painted = painted === undefined ? own : blend(painted, own, resize2d(toGrid(shares[k]!, size), 'nearest', full))
    }
    return painted!
  }

  #split(values: Tensor): Tensor[] {
    return split(values, 1, this.#counts)
  }
}

/** `below` where the share is 0, `above` where it is 1. */
export function blend(below: Tensor, above: Tensor, share: Tensor): Tensor {
  return add(below, multiply(subtract(above, below), share))
}

/** `values`, whose gradient goes to the latents and to what made the values. */
function bothWays(latents: Tensor, values: Tensor): Tensor {
  return add(values, subtract(latents, stopGradient(latents)))
}

function squaredError(painted: Tensor, pictures: Tensor): Tensor {
  return mean(square(subtract(painted, pictures)))
}

/** Sides, or heights and widths. Throws OptionError unless there are some, whole and positive. */
export function gridSizes(scales: readonly (number | GridSize)[]): GridSize[] {
  const grids = scales.map((size): GridSize => (typeof size === 'number' ? [size, size] : [size[0], size[1]]))
  const wrong = grids.find((size) => !size.every((side) => Number.isSafeInteger(side) && side > 0))
  if (wrong !== undefined || grids.length === 0)
    throw new OptionError(`scales ${JSON.stringify(scales)}`, { expected: 'whole positive sides, or pairs of them' })
  return grids
}

/** Throws OptionError unless scales increase up to the size of the latents. */
export function checkScales(scales: readonly GridSize[], latent: GridSize): void {
  const last = scales.at(-1)
  if (last === undefined || last[0] !== latent[0] || last[1] !== latent[1])
    throw new OptionError(`the last scale is ${last?.join('×') ?? 'missing'}`, { expected: `the latents' ${latent.join('×')}` })
  const wrong = scales.findIndex((size, k) => k > 0 && !grows(scales[k - 1]!, size))
  if (wrong >= 0)
    throw new OptionError(`scale ${scales[wrong]!.join('×')} after ${scales[wrong - 1]!.join('×')}`, {
      expected: 'increasing scales',
    })
}

function grows(before: GridSize, after: GridSize): boolean {
  return after[0] >= before[0] && after[1] >= before[1] && (after[0] > before[0] || after[1] > before[1])
}
