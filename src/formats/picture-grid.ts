import * as v from 'valibot'
import { DataError } from '../base/errors.ts'
import { checkOptions, wholeNumber } from '../base/options.ts'
import { type Pictures, pictureLength } from '../base/pictures.ts'

export interface PictureGridOptions {
  /** Pictures in a row. Default: as many as make the grid square or wider than high. */
  readonly columns?: number
  /** Pixels between pictures, and around the grid. Default 0. */
  readonly gap?: number
  /** Sides of the square that each pixel becomes. Default 1. */
  readonly scale?: number
  /** Grey value from 0 to 255 of gaps and of places without a picture. Default 255. */
  readonly background?: number
}

const schema = v.strictObject({
  columns: v.optional(wholeNumber(1)),
  gap: v.optional(wholeNumber(0, 1024)),
  scale: v.optional(wholeNumber(1, 64)),
  background: v.optional(wholeNumber(0, 255)),
})
const mostBytes = 2 ** 30

/**
 * All pictures side by side in one, row by row.
 *
 * Throws OptionError on other options, DataError when there is no picture or the grid would be larger than 2^30 bytes.
 * @example
 * const sheet = encodePng(pictureGrid(pictures, { columns: 8, gap: 2, scale: 2 }))
 */
export function pictureGrid(pictures: Pictures, options: PictureGridOptions = {}): Pictures {
  checkOptions(schema, options, 'pictureGrid')
  const { count, channels } = pictures
  if (count === 0) throw new DataError('pictureGrid: there is no picture')
  const { columns = Math.ceil(Math.sqrt(count)), gap = 0, scale = 1, background = 255 } = options
  const across = Math.min(columns, count)
  const cell = { height: pictures.height * scale + gap, width: pictures.width * scale + gap }
  const height = gap + Math.ceil(count / across) * cell.height
  const width = gap + across * cell.width
  if (channels * height * width > mostBytes)
    throw new DataError(`pictureGrid: a grid of ${height} × ${width} pixels`, { expected: `at most ${mostBytes} bytes` })
  const pixels = new Uint8Array(channels * height * width).fill(background)
  for (let index = 0; index < count; index++) {
    const top = gap + Math.floor(index / across) * cell.height
    const left = gap + (index % across) * cell.width
    for (let channel = 0; channel < channels; channel++)
      drawPlane(pictures, index, channel, scale, pixels.subarray((channel * height + top) * width + left), width)
  }
  return { count: 1, channels, height, width, pixels }
}

/** Draws one channel of one picture from the first of `pixels` on, whose rows are `stride` apart. */
function drawPlane(pictures: Pictures, index: number, channel: number, scale: number, pixels: Uint8Array, stride: number): void {
  const { height, width } = pictures
  const start = index * pictureLength(pictures) + channel * height * width
  for (let y = 0; y < height * scale; y++) {
    const row = start + Math.floor(y / scale) * width
    for (let x = 0; x < width; x++) pixels.fill(pictures.pixels[row + x]!, y * stride + x * scale, y * stride + (x + 1) * scale)
  }
}
