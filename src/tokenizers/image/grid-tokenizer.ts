import type { Unit } from '../../base/codes.ts'
import { elementCount } from '../../base/dtype.ts'
import type { Layout } from '../../base/model.ts'
import type { PictureSize } from '../../base/pictures.ts'
import { PictureDecoder, PictureEncoder } from '../../nn/index.ts'
import { add, mean, multiply, square, subtract, type Tensor, unsqueeze } from '../../tensor/index.ts'
import type { Bottleneck } from './bottleneck.ts'
import type { ImageTokenizer, ImageTokenizerFile, NoiseSpec, TokenizerLoss } from './image-tokenizer.ts'
import { type GridSize, oneGrid, shrunkGrid, toGrid, toVectors } from './value-grid.ts'

/** The networks around a bottleneck. */
export interface NetworkOptions {
  readonly picture: PictureSize
  /** Channels at half the picture's size; a multiple of 4. */
  readonly width: number
  /** Pixels of a side that one value stands for. */
  readonly downsample: 2 | 4 | 8
}

/** Convolutions, a bottleneck at every place of one grid, and convolutions back. */
export class GridTokenizer implements ImageTokenizer {
  readonly kind: string
  readonly picture: PictureSize
  readonly unit: Unit
  readonly layout: Layout
  readonly embeddingWidth: number
  readonly noise: Readonly<Record<string, NoiseSpec>>
  readonly encoder: PictureEncoder
  readonly bottleneck: Bottleneck
  readonly decoder: PictureDecoder
  readonly #grid: GridSize
  readonly #file: ImageTokenizerFile

  constructor({ picture, width, downsample }: NetworkOptions, bottleneck: Bottleneck, file: ImageTokenizerFile) {
    this.#grid = shrunkGrid(picture, downsample, 'downsample')
    this.#file = file
    this.kind = file.kind
    this.picture = { ...picture }
    this.unit = bottleneck.unit
    this.layout = oneGrid(this.#grid)
    this.embeddingWidth = bottleneck.width
    this.noise = bottleneck.noise(elementCount(this.#grid))
    this.encoder = new PictureEncoder({ picture, width, downsample, latent: bottleneck.inputs })
    this.bottleneck = bottleneck
    this.decoder = new PictureDecoder({ picture, width, downsample, latent: bottleneck.width })
  }

  encode(pictures: Tensor): Tensor {
    return this.bottleneck.encode(toVectors(this.encoder.forward(pictures)))
  }

  decode(values: Tensor, known: Tensor): Tensor {
    const average = this.bottleneck.average()
    const difference = subtract(this.bottleneck.restore(values), average)
    return this.#paint(add(average, multiply(difference, unsqueeze(known, -1))))
  }

  embed(values: Tensor): Tensor {
    return this.bottleneck.embed(values)
  }

  losses(pictures: Tensor, noise: Readonly<Record<string, Tensor>>): TokenizerLoss {
    const latents = toVectors(this.encoder.forward(pictures))
    const { restored, penalties, reports, updates } = this.bottleneck.train(latents, noise)
    const reconstruction = mean(square(subtract(this.#paint(restored), pictures)))
    return {
      total: Object.values(penalties).reduce(add, reconstruction),
      parts: { reconstruction, ...penalties, ...reports },
      ...(updates && { updates }),
    }
  }

  toJSON(): ImageTokenizerFile {
    return this.#file
  }

  #paint(latents: Tensor): Tensor {
    return this.decoder.forward(toGrid(latents, this.#grid))
  }
}
