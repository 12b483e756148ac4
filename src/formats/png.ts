import { type DecodedPng, decode, encode } from 'fast-png'
import { FormatError, OptionError } from '../base/errors.ts'
import { type Pictures, pictureLength } from '../base/pictures.ts'
import { inflateExactly } from './inflate.ts'
import { type PngHeader, readPngChunks, sampleBytes } from './png-chunks.ts'

export interface DecodeSettings {
  readonly maxPixels: number
  /** Grey value from 0 to 255. */
  readonly background: number
}

/**
 * One picture of a PNG file. The data is inflated once under watch, to exactly as many bytes as the header calls for, before the library
 * may do so.
 * @throws FormatError
 */
export async function decodePng(bytes: Uint8Array, { maxPixels, background }: DecodeSettings): Promise<Pictures> {
  const { header, compressed, essence } = readPngChunks(bytes, maxPixels)
  // fast-png 8.0.0 takes such samples for whole bytes.
  if (header.interlaced && header.depth < 8)
    throw new FormatError(`PNG: an interlaced picture of ${header.depth} bits a sample`, { fix: 'save it without interlacing' })
  await inflateExactly({ bytes: compressed, format: 'deflate', what: 'PNG' }, sampleBytes(header))
  return toPicture(header, decodeChecked(essence), background)
}

function decodeChecked(essence: Uint8Array): DecodedPng {
  try {
    return decode(essence, { checkCrc: true })
  } catch (cause) {
    throw new FormatError(`PNG: the file is corrupt: ${cause instanceof Error ? cause.message : String(cause)}`, { cause })
  }
}

/**
 * Picture number `index` as a PNG file of 8 bits a channel, grey or colour.
 * @throws OptionError when there is no such picture, or it has neither 1 nor 3 channels.
 * @example
 * const file = encodePng(pictures, 3)
 */
export function encodePng(pictures: Pictures, index = 0): Uint8Array {
  const { count, channels, height, width, pixels } = pictures
  if (!Number.isInteger(index) || index < 0 || index >= count)
    throw new OptionError(`encodePng: there is no picture ${index}`, { expected: `0 to ${count - 1}` })
  if (channels !== 1 && channels !== 3) throw new OptionError(`encodePng: pictures of ${channels} channels`, { expected: '1 or 3' })
  const length = pictureLength(pictures)
  const picture = pixels.subarray(index * length, (index + 1) * length)
  return encode({ width, height, channels, depth: 8, data: channels === 1 ? picture : channelsLast(picture, channels) })
}

/** `[channel, y, x]` to `[y, x, channel]`. */
function channelsLast(planes: Uint8Array, channels: number): Uint8Array {
  const area = planes.length / channels
  const data = new Uint8Array(planes.length)
  for (let channel = 0; channel < channels; channel++)
    for (let pixel = 0; pixel < area; pixel++) data[pixel * channels + channel] = planes[channel * area + pixel]!
  return data
}

/** Colours of 8 bits, laid over the background. */
function toPicture(header: PngHeader, decoded: DecodedPng, background: number): Pictures {
  const { width, height, kind } = header
  const area = width * height
  const channels = kind.startsWith('grey') ? 1 : 3
  const samples = unpack(header, decoded.data)
  const read = kind === 'palette' ? paletteReader(samples, decoded) : sampleReader(header, samples, decoded.transparency)
  const pixels = new Uint8Array(channels * area)
  for (let pixel = 0; pixel < area; pixel++) {
    const alpha = read.alpha(pixel)
    for (let channel = 0; channel < channels; channel++) {
      const colour = read.colour(pixel, channel)
      pixels[channel * area + pixel] = alpha === 1 ? colour : Math.round(alpha * colour + (1 - alpha) * background)
    }
  }
  return { count: 1, channels, height, width, pixels }
}

/** Samples one by one: those of fewer than 8 bits are packed, each row from a byte of its own on. */
function unpack({ width, height, depth, samples: each }: PngHeader, data: DecodedPng['data']): DecodedPng['data'] {
  if (depth >= 8) return data
  const perRow = width * each
  const rowBytes = Math.ceil((perRow * depth) / 8)
  const samples = new Uint8Array(height * perRow)
  const mask = 2 ** depth - 1
  for (let row = 0; row < height; row++) {
    for (let column = 0; column < perRow; column++) {
      const bit = column * depth
      samples[row * perRow + column] = (data[row * rowBytes + (bit >> 3)]! >> (8 - depth - (bit & 7))) & mask
    }
  }
  return samples
}

interface PixelReader {
  /** 0 to 255. */
  colour(pixel: number, channel: number): number
  /** 0 (nothing to see) to 1. */
  alpha(pixel: number): number
}

function paletteReader(indices: DecodedPng['data'], { palette = [] }: DecodedPng): PixelReader {
  let largest = 0
  for (const index of indices) largest = Math.max(largest, index)
  if (largest >= palette.length)
    throw new FormatError(`PNG: a pixel has colour ${largest}`, { expected: `one of the palette's ${palette.length}` })
  return {
    colour: (pixel, channel) => palette[indices[pixel]!]![channel]!,
    alpha: (pixel) => (palette[indices[pixel]!]![3] ?? 255) / 255,
  }
}

function sampleReader({ depth, samples: each, kind }: PngHeader, samples: DecodedPng['data'], clear?: Uint16Array): PixelReader {
  const largest = 2 ** depth - 1
  const scale = 255 / largest
  const colours = kind.startsWith('grey') ? 1 : 3
  const isClear = (pixel: number) => clear?.every((value, colour) => samples[pixel * each + colour] === value) ?? false
  return {
    colour: (pixel, channel) => Math.round(samples[pixel * each + channel]! * scale),
    alpha: each > colours ? (pixel) => samples[pixel * each + colours]! / largest : (pixel) => (isClear(pixel) ? 0 : 1),
  }
}
