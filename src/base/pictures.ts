import { ShapeError } from './errors.ts'

export interface PictureSize {
  /** 1: grey; 3: red, green, blue. */
  readonly channels: number
  readonly height: number
  readonly width: number
}

/** Pictures of one size, 8 bits a channel: `[count, channel, height, width]`, row-major. */
export interface Pictures extends PictureSize {
  readonly count: number
  readonly pixels: Uint8Array
}

/** Pictures with the class of each. */
export interface LabelledPictures extends Pictures {
  /** One per picture, from 0. */
  readonly labels: Int32Array
  /** Names of the classes, in the order of their labels. */
  readonly classes: readonly string[]
}

/** Numbers per picture. */
export function pictureLength({ channels, height, width }: PictureSize): number {
  return channels * height * width
}

/** Throws ShapeError unless there are as many pixels as `count` pictures of the size have. */
export function checkPixels(pictures: Pictures): void {
  const { count, channels, height, width, pixels } = pictures
  const shape = [count, channels, height, width]
  const length = count * pictureLength(pictures)
  if (shape.every((side) => Number.isInteger(side) && side >= 0) && pixels?.length === length) return
  throw new ShapeError(`pictures [${shape.join(', ')}] of ${pixels?.length ?? 'no'} pixels`, {
    expected: 'whole numbers of pictures, channels, rows and columns, and as many pixels as their product',
  })
}

/** Pixels as networks see them, −1 (0) to 1 (255): `[count, channel, height, width]` of the pictures at `indices`. */
export function pictureValues(pictures: Pictures, indices: ArrayLike<number>): Float32Array {
  const length = pictureLength(pictures)
  const values = new Float32Array(indices.length * length)
  for (let i = 0; i < indices.length; i++) {
    const from = indices[i]! * length
    for (let j = 0; j < length; j++) values[i * length + j] = pictures.pixels[from + j]! / 127.5 - 1
  }
  return values
}

/** The nearest 8-bit pictures of values `[count, channel, height, width]` from −1 to 1; what lies outside is clipped. */
export function toPictures(values: Float32Array, size: PictureSize): Pictures {
  const { channels, height, width } = size
  const count = values.length / pictureLength(size)
  if (!Number.isInteger(count))
    throw new ShapeError(`${values.length} values`, { expected: `a multiple of ${pictureLength(size)}` })
  return {
    count,
    channels,
    height,
    width,
    pixels: Uint8Array.from(values, (x) => Math.round((Math.min(1, Math.max(-1, x)) + 1) * 127.5)),
  }
}
