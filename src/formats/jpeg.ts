import { decode } from 'jpeg-js'
import { FormatError } from '../base/errors.ts'
import type { Pictures } from '../base/pictures.ts'
import { readJpegStructure } from './jpeg-structure.ts'

/**
 * One picture of a JPEG file, baseline or progressive. What the file says about its orientation is not applied.
 * @throws FormatError
 */
export function decodeJpeg(bytes: Uint8Array, maxPixels: number): Pictures {
  const { width, height, components, rgb } = readJpegStructure(bytes, maxPixels)
  const data = decodeChecked(bytes, rgb)
  const area = width * height
  if (data.length !== 3 * area) throw new FormatError('JPEG: another number of pixels than the file announces')
  const pixels = new Uint8Array(components * area)
  for (let channel = 0; channel < components; channel++)
    for (let pixel = 0; pixel < area; pixel++) pixels[channel * area + pixel] = data[3 * pixel + channel]!
  return { count: 1, channels: components, height, width, pixels }
}

/** The library's own limits stay out of the way: the sizes were checked before. */
function decodeChecked(bytes: Uint8Array, rgb: boolean): Uint8Array {
  const limits = { maxResolutionInMP: Number.MAX_SAFE_INTEGER, maxMemoryUsageInMB: Number.MAX_SAFE_INTEGER }
  try {
    // Tolerant of restart intervals that reach beyond the last block, which files have.
    const tolerant = { useTArray: true, formatAsRGBA: false, tolerantDecoding: true } as const
    return decode(bytes, { ...tolerant, ...limits, ...(rgb ? { colorTransform: false } : {}) }).data
  } catch (cause) {
    // The library's own message may be of its variables.
    throw new FormatError('JPEG: the file is corrupt', { cause })
  }
}
