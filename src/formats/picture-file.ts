import * as v from 'valibot'
import { FormatError } from '../base/errors.ts'
import { checkOptions, wholeNumber } from '../base/options.ts'
import type { Pictures } from '../base/pictures.ts'
import { decodeJpeg } from './jpeg.ts'
import { resolveLimits } from './limits.ts'
import { decodePng } from './png.ts'
import { pngSignature } from './png-chunks.ts'

export interface PictureLimits {
  /** Most pixels (width × height) of a picture. Default 2^26. */
  readonly maxPixels?: number
}

export interface DecodePictureOptions {
  readonly limits?: PictureLimits
  /** What is seen through transparent pixels: a grey value from 0 (black) to 255 (white), which is the default. */
  readonly background?: number
}

const defaultLimits = { maxPixels: 2 ** 26 }
const schema = v.strictObject({ limits: v.optional(v.looseObject({})), background: v.optional(wholeNumber(0, 255)) })

/**
 * The picture in a PNG or JPEG file, told apart by their first bytes; `count` is 1. Grey pictures have one channel, others three, a palette
 * too. Samples become 8 bits: 16 bits are rounded, 1 to 4 bits spread from 0 to 255. Transparency is laid over `background`. Of a moving
 * PNG, the still picture is read. Colour profiles, gamma and orientation are not applied.
 *
 * Sizes are checked against the limit and against what the file can hold before anything is decompressed.
 *
 * @throws FormatError on anything that is no whole file of these formats: cut short, corrupt, too large, interlaced with less than 8 bits a
 * sample, or a JPEG that is neither grey nor in three colours. OptionError on other options.
 * @example
 * const { height, width, pixels } = await decodePicture(await readFile('photograph.jpg'))
 */
export async function decodePicture(bytes: Uint8Array, options: DecodePictureOptions = {}): Promise<Pictures> {
  checkOptions(schema, options, 'decodePicture')
  const { maxPixels } = resolveLimits(defaultLimits, options.limits ?? {}, 'picture')
  if (pngSignature.every((byte, index) => bytes[index] === byte))
    return decodePng(bytes, { maxPixels, background: options.background ?? 255 })
  if (bytes[0] === 0xff && bytes[1] === 0xd8) return decodeJpeg(bytes, maxPixels)
  throw new FormatError('the file is no picture that can be read', { expected: 'PNG or JPEG' })
}
