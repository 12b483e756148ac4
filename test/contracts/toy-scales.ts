import type { CodeBatch, Unit } from '../../src/base/codes.ts'
import type { Layout } from '../../src/base/model.ts'
import { type LabelledPictures, pictureValues } from '../../src/base/pictures.ts'
import { resize2d, resizeMatrix } from '../../src/nn/index.ts'
import type { LabelledCodes } from '../../src/systems/image-task.ts'
import {
  add,
  cast,
  concat,
  expand,
  greater,
  multiply,
  reshape,
  scalar,
  split,
  subtract,
  type Tensor,
  transpose,
} from '../../src/tensor/index.ts'
import type { CarryKind, ImageTokenizer } from '../../src/tokenizers/index.ts'

type Size = readonly [height: number, width: number]

const [dim, bright] = [-0.4, 0.3]

/** Grey pictures as grids of three shades, 0 to 2: the mean brightness of each cell. Nothing is trained; what is carried is the last grid, enlarged. */
export class ShadesTokenizer implements ImageTokenizer {
  readonly kind = 'shades'
  readonly picture: { readonly channels: 1; readonly height: number; readonly width: number }
  readonly unit: Unit = { kind: 'ids', vocabulary: [3] }
  readonly layout: Layout
  readonly embeddingWidth = 2
  readonly carryKind: CarryKind
  readonly withScales?: (scales: readonly Size[]) => ImageTokenizer
  readonly #scales: readonly Size[]

  constructor(scales: readonly Size[], carryKind: CarryKind = 'residual') {
    const [height, width] = scales.at(-1)!
    this.picture = { channels: 1, height, width }
    this.layout = { parts: scales.map((shape) => ({ shape })) }
    this.carryKind = carryKind
    this.#scales = scales
    if (carryKind === 'latest') this.withScales = (others) => new ShadesTokenizer(others, 'latest')
  }

  encode(pictures: Tensor): Tensor {
    const parts = this.#scales.map((size) => {
      const shade = resize2d(pictures, 'area', size)
      return reshape(add(cast(greater(shade, dim), 'int32'), cast(greater(shade, bright), 'int32')), [-1, size[0] * size[1], 1])
    })
    return concat(parts, 1)
  }

  decode(values: Tensor, known: Tensor): Tensor {
    const [height, width] = this.#scales.at(-1)!
    const [shades, shares] = [values, reshape(known, [-1, this.#count, 1])].map((all) => split(all, 1, this.#counts).at(-1)!)
    const painted = subtract(cast(shades!, 'float32'), 1)
    return reshape(multiply(painted, shares!), [-1, 1, height, width])
  }

  embed(values: Tensor): Tensor {
    const shade = subtract(cast(values, 'float32'), 1)
    return concat([shade, multiply(shade, shade)], -1)
  }

  carry(values: Tensor): Tensor {
    const rows = split(this.embed(values), 1, this.#counts)
    const carried = rows.slice(0, -1).map((row, k) => {
      const [height, width] = this.#scales[k]!
      const grid = reshape(transpose(row, [0, 2, 1]), [row.shape[0]!, 2, height, width])
      const large = resize2d(grid, 'bilinear', this.#scales[k + 1]!)
      return transpose(reshape(large, [row.shape[0]!, 2, -1]), [0, 2, 1])
    })
    return concat([expand(scalar(0), rows[0]!.shape), ...carried], 1)
  }

  toJSON() {
    return { kind: this.kind, scales: this.#scales, carry: this.carryKind }
  }

  get #counts(): number[] {
    return this.#scales.map(([height, width]) => height * width)
  }

  get #count(): number {
    return this.#counts.reduce((a, b) => a + b)
  }
}

/** What the tokenizer of these scales makes of pictures, on the host. */
export function shadeCodes(scales: readonly Size[]): (pictures: LabelledPictures) => LabelledCodes {
  return (pictures) => {
    const { layout, unit } = new ShadesTokenizer(scales)
    const data = Array.from({ length: pictures.count }, (_, i) => {
      const pixels = pictureValues(pictures, [i])
      return scales.flatMap((size) => shades(pixels, [pictures.height, pictures.width], size))
    })
    const codes = { ...unit, layout, count: pictures.count, data: Int32Array.from(data.flat()) } as CodeBatch
    return { codes, labels: pictures.labels }
  }
}

function shades(pixels: Float32Array, [height, width]: Size, [rows, columns]: Size): number[] {
  const down = resizeMatrix('area', height, rows).values
  const across = resizeMatrix('area', width, columns).values
  return Array.from({ length: rows * columns }, (_, cell) => {
    const [y, x] = [Math.floor(cell / columns), cell % columns]
    let mean = 0
    for (let i = 0; i < height; i++)
      for (let j = 0; j < width; j++) mean += down[y * height + i]! * across[x * width + j]! * pixels[i * width + j]!
    return Number(mean > dim) + Number(mean > bright)
  })
}
