import * as v from 'valibot'
import { DataError, FormatError } from '../base/errors.ts'
import { checkOptions, wholeNumber } from '../base/options.ts'
import type { LabelledPictures } from '../base/pictures.ts'
import { type IdxArray, type IdxLimits, readIdx } from '../formats/idx.ts'
import { readFileBytes } from '../platform/files.ts'

export interface IdxPicturesOptions {
  /** Name of the idx file of pictures, `[count, y, x]` or `[count, y, x, channel]`; may be compressed by gzip. */
  readonly images: string
  /** Name of the idx file of labels, `[count]`. Without it, no picture has a class. */
  readonly labels?: string
  /** Names of the classes, in the order of their labels. Default: the labels' own numbers, from 0 to the largest. */
  readonly classes?: readonly string[]
  /** Largest array, in bytes. Default 2^30. */
  readonly maxBytes?: number
}

const name = v.pipe(v.string(), v.minLength(1))
const schema = v.strictObject({
  images: name,
  labels: v.optional(name),
  classes: v.optional(v.pipe(v.array(v.string()), v.minLength(1), v.maxLength(256))),
  maxBytes: v.optional(wholeNumber(1)),
})

/**
 * Reads pictures and their labels from a pair of idx files. Without labels, all labels are 0 and there are no classes: 0 then means "no
 * class", as the label one beyond the last always does.
 *
 * Throws OptionError on unknown options, FormatError when a file is not what its name says, and DataError when it cannot be read, when
 * there is no picture, or when pictures and labels do not fit together; each names the file.
 * @example
 * const digits = await readIdxPictures({ images: 'train-images-idx3-ubyte.gz', labels: 'train-labels-idx1-ubyte.gz' })
 */
export async function readIdxPictures(options: IdxPicturesOptions): Promise<LabelledPictures> {
  checkOptions(schema, options, 'readIdxPictures')
  const limits = options.maxBytes === undefined ? {} : { maxBytes: options.maxBytes }
  const images = await readArray(options.images, limits)
  const [count = 0, height = 0, width = 0, channels = 1] = images.shape
  const readable = [3, 4].includes(images.shape.length) && [1, 3].includes(channels) && images.data.length > 0
  if (!readable)
    throw new DataError(`'${options.images}' has shape [${images.shape.join(', ')}]`, {
      expected: 'pictures: [count, y, x] or [count, y, x, channel], with 1 or 3 channels',
    })
  const size = {
    count,
    channels,
    height,
    width,
    pixels: channels === 1 ? images.data : channelsFirst(images.data, channels, height * width),
  }
  if (options.labels === undefined) return { ...size, labels: new Int32Array(count), classes: [] }
  const labels = checkLabels(await readArray(options.labels, limits), options.labels, count)
  return { ...size, labels, classes: classNames(labels, options) }
}

async function readArray(path: string, limits: IdxLimits): Promise<IdxArray> {
  const bytes = await readFileBytes(path, limits)
  try {
    return await readIdx(bytes, limits)
  } catch (cause) {
    if (cause instanceof FormatError) throw new FormatError(`cannot read '${path}': ${cause.message}`, { cause })
    throw cause
  }
}

/** `[count, y, x, channel]` to `[count, channel, y, x]`. */
function channelsFirst(data: Uint8Array, channels: number, area: number): Uint8Array {
  const pixels = new Uint8Array(data.length)
  const length = channels * area
  for (let index = 0; index < data.length; index++) {
    const within = index % length
    pixels[index - within + (within % channels) * area + Math.floor(within / channels)] = data[index]!
  }
  return pixels
}

function checkLabels({ shape, data }: IdxArray, path: string, count: number): Int32Array {
  if (shape.length !== 1 || shape[0] !== count)
    throw new DataError(`'${path}' has shape [${shape.join(', ')}]`, { expected: `a label for each of the ${count} pictures` })
  return Int32Array.from(data)
}

function classNames(labels: Int32Array, { labels: path, classes }: IdxPicturesOptions): readonly string[] {
  const largest = labels.reduce((most, label) => Math.max(most, label), 0)
  if (classes === undefined) return Array.from({ length: largest + 1 }, (_, label) => String(label))
  if (largest >= classes.length)
    throw new DataError(`'${path}' has the label ${largest}`, { expected: `labels below ${classes.length}, one for each class` })
  return classes
}
