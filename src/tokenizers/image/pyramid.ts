import { countValues, type Unit } from '../../base/codes.ts'
import { OptionError } from '../../base/errors.ts'
import type { Layout } from '../../base/model.ts'
import type { PictureSize } from '../../base/pictures.ts'
import { resize2d } from '../../nn/index.ts'
import { concat, expand, scalar, split, type Tensor, unsqueeze } from '../../tensor/index.ts'
import type { ImageTokenizer, ImageTokenizerFile, NoiseSpec } from './image-tokenizer.ts'
import { blend, checkScales } from './multi-scale.ts'
import { type GridSize, toGrid, toVectors } from './value-grid.ts'

/**
 * The grid of vectors of another tokenizer, averaged to several sizes: every part is the whole picture at its size. What is carried to the
 * next part is the last one, enlarged to full size and averaged again. Ren et al. 2024 (FlowAR), sections 3.2 and 3.3.
 */
export class PyramidTokenizer implements ImageTokenizer {
  readonly kind = 'pyramid'
  readonly carryKind = 'latest'
  readonly picture: PictureSize
  readonly unit: Unit
  readonly layout: Layout
  readonly embeddingWidth: number
  readonly noise?: Readonly<Record<string, NoiseSpec>>
  readonly losses?: Required<ImageTokenizer>['losses']
  readonly base: ImageTokenizer
  readonly #scales: readonly GridSize[]

  /** Throws OptionError unless the base has one grid of vectors, and the last scale is its size. */
  constructor(base: ImageTokenizer, scales: readonly GridSize[]) {
    const [part, ...others] = base.layout.parts
    if (base.unit.kind !== 'vectors' || others.length > 0 || part?.shape.length !== 2)
      throw new OptionError(`a pyramid of the tokenizer ${base.kind}`, { expected: 'one whose values are one grid of vectors' })
    checkScales(scales, part.shape as readonly number[] as GridSize)
    this.#scales = scales
    this.base = base
    this.picture = base.picture
    this.unit = base.unit
    this.layout = { parts: scales.map((size) => ({ shape: [...size] })) }
    this.embeddingWidth = base.unit.dimension
    if (base.noise !== undefined) this.noise = base.noise
    if (base.losses !== undefined) this.losses = base.losses.bind(base)
  }

  encode(pictures: Tensor): Tensor {
    const grid = toGrid(this.base.encode(pictures), this.#full)
    return concat(
      this.#scales.map((size) => toVectors(resize2d(grid, 'area', size))),
      1,
    )
  }

  /** Each place shows the finest scale that is known there. */
  decode(values: Tensor, known: Tensor): Tensor {
    const [parts, shares] = [this.#grids(values), this.#grids(unsqueeze(known, -1))]
    const blank = expand(scalar(0), parts[0]!.shape)
    const shown = parts.reduce((below, part, k) => blend(resize2d(below, 'bicubic', this.#scales[k]!), part, shares[k]!), blank)
    return this.base.decode(toVectors(shown), expand(scalar(1), [values.shape[0]!, countValues(this.base.layout)]))
  }

  embed(values: Tensor): Tensor {
    return values
  }

  carry(values: Tensor): Tensor {
    const parts = this.#grids(values).map((part) => resize2d(part, 'bicubic', this.#full))
    const first = expand(scalar(0), [values.shape[0]!, this.#counts[0]!, this.embeddingWidth])
    const others = this.#scales.slice(1).map((size, k) => toVectors(resize2d(parts[k]!, 'area', size)))
    return concat([first, ...others], 1)
  }

  toJSON(): ImageTokenizerFile {
    return { kind: this.kind, base: this.base.toJSON(), scales: this.#scales }
  }

  get #full(): GridSize {
    return this.#scales.at(-1)!
  }

  get #counts(): readonly number[] {
    return this.layout.parts.map((part) => countValues({ parts: [part] }))
  }

  #grids(values: Tensor): Tensor[] {
    return split(values, 1, this.#counts).map((part, k) => toGrid(part, this.#scales[k]!))
  }
}
