import type { Unit } from '../../base/codes.ts'
import type { Layout } from '../../base/model.ts'
import { type PictureSize, pictureLength } from '../../base/pictures.ts'
import { multiply, reshape, type Tensor, transpose, unsqueeze } from '../../tensor/index.ts'
import type { ImageTokenizer, ImageTokenizerFile } from './image-tokenizer.ts'
import { type GridSize, oneGrid, shrunkGrid } from './value-grid.ts'

/** The pixels themselves, `[channel, y, x]` of one patch after the other. Nothing is trained, and nothing is lost. */
export class PatchTokenizer implements ImageTokenizer {
  readonly kind = 'patches'
  readonly picture: PictureSize
  readonly unit: Unit
  readonly layout: Layout
  readonly embeddingWidth: number
  readonly #size: number
  readonly #grid: GridSize

  constructor(picture: PictureSize, size: number) {
    this.#grid = shrunkGrid(picture, size, 'size')
    this.#size = size
    this.picture = { ...picture }
    this.layout = oneGrid(this.#grid)
    this.embeddingWidth = pictureLength({ channels: picture.channels, height: size, width: size })
    this.unit = { kind: 'vectors', dimension: this.embeddingWidth }
  }

  encode(pictures: Tensor): Tensor {
    const [batch, size, [rows, columns]] = [pictures.shape[0]!, this.#size, this.#grid]
    const apart = reshape(pictures, [batch, this.picture.channels, rows, size, columns, size])
    return reshape(transpose(apart, [0, 2, 4, 1, 3, 5]), [batch, rows * columns, this.embeddingWidth])
  }

  /** Grey where nothing is known. */
  decode(values: Tensor, known: Tensor): Tensor {
    const [batch, size, [rows, columns], { channels, height, width }] = [values.shape[0]!, this.#size, this.#grid, this.picture]
    const shown = multiply(values, unsqueeze(known, -1))
    const patches = reshape(shown, [batch, rows, columns, channels, size, size])
    return reshape(transpose(patches, [0, 3, 1, 4, 2, 5]), [batch, channels, height, width])
  }

  embed(values: Tensor): Tensor {
    return values
  }

  toJSON(): ImageTokenizerFile {
    return { kind: this.kind, picture: this.picture, size: this.#size }
  }
}
