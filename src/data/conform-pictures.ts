import * as v from 'valibot'
import { DataError } from '../base/errors.ts'
import { checkOptions, wholeNumber } from '../base/options.ts'
import type { Pictures } from '../base/pictures.ts'

export interface PictureSides {
  readonly height: number
  readonly width: number
}

const side = wholeNumber(1, 2 ** 15)
export const sidesSchema = v.strictObject({ height: side, width: side })

/**
 * How pictures of other sizes are brought to the size asked for: not at all; with their proportions changed; whole, on the background; or
 * filling it, with what stands over on two sides cut off.
 */
export type PictureResize = 'refuse' | 'stretch' | 'contain' | 'cover'

export interface Conformed {
  readonly size: PictureSides
  readonly resize: PictureResize
  /** As they are when undefined. */
  readonly channels: 1 | 3 | undefined
  /** Grey value beside a picture that does not fill its size. */
  readonly background: number
}

/**
 * Pictures of the size and channels asked for; the same ones when they have them.
 * @throws DataError on another size, when that is to be refused; `what` names the pictures.
 */
export function conformPictures(pictures: Pictures, { size, resize, channels, background }: Conformed, what: string): Pictures {
  const converted = channels === undefined ? pictures : withChannels(pictures, channels)
  const { height, width } = converted
  if (height === size.height && width === size.width) return converted
  if (resize === 'refuse')
    throw new DataError(`${what}: ${height} × ${width} pixels`, {
      expected: `${size.height} × ${size.width} (height × width)`,
      fix: "have pictures resized ('stretch', 'contain' or 'cover'), or leave this one out",
    })
  if (resize === 'stretch') return resizePictures(converted, size)
  const ratios = [size.height / height, size.width / width]
  const ratio = resize === 'cover' ? Math.max(...ratios) : Math.min(...ratios)
  const scaled = { height: Math.max(1, Math.round(height * ratio)), width: Math.max(1, Math.round(width * ratio)) }
  return centred(resizePictures(converted, scaled), size, background)
}

/** Grey as 0.299 red + 0.587 green + 0.114 blue (ITU-R BT.601); three equal channels of grey. */
export function withChannels(pictures: Pictures, channels: 1 | 3): Pictures {
  if (pictures.channels === channels) return pictures
  const { count, height, width, pixels } = pictures
  const area = height * width
  const converted = new Uint8Array(count * channels * area)
  for (let picture = 0; picture < count; picture++) {
    if (channels === 3) {
      const grey = pixels.subarray(picture * area, (picture + 1) * area)
      for (let channel = 0; channel < 3; channel++) converted.set(grey, (3 * picture + channel) * area)
    } else {
      const [red, green, blue] = [0, 1, 2].map((channel) => pixels.subarray((3 * picture + channel) * area))
      for (let pixel = 0; pixel < area; pixel++)
        converted[picture * area + pixel] = Math.round(0.299 * red![pixel]! + 0.587 * green![pixel]! + 0.114 * blue![pixel]!)
    }
  }
  return { ...pictures, channels, pixels: converted }
}

/**
 * Pictures of another size: linear between pixels when they grow, a triangle over all pixels that fall together when they shrink, so that
 * nothing is skipped.
 * @throws OptionError on sides that are not from 1 to 2^15.
 */
export function resizePictures(pictures: Pictures, size: PictureSides): Pictures {
  checkOptions(sidesSchema, size, 'resizePictures')
  const { height, width } = size
  const planes = pictures.count * pictures.channels
  const wide = resample(pictures.pixels, { before: planes * pictures.height, from: pictures.width, to: width, after: 1 })
  const values = resample(wide, { before: planes, from: pictures.height, to: height, after: width })
  return { ...pictures, height, width, pixels: Uint8Array.from(values, Math.round) }
}

interface Axis {
  /** Numbers of lines before and after the axis, row-major. */
  readonly before: number
  readonly from: number
  readonly to: number
  readonly after: number
}

function resample(values: Uint8Array | Float32Array, { before, from, to, after }: Axis): Float32Array {
  const weights = Array.from({ length: to }, (_, place) => weightsAt(place, from, to))
  const out = new Float32Array(before * to * after)
  for (let line = 0; line < before; line++) {
    for (const [place, { first, shares }] of weights.entries()) {
      for (let column = 0; column < after; column++) {
        let sum = 0
        for (let i = 0; i < shares.length; i++) sum += shares[i]! * values[(line * from + first + i) * after + column]!
        out[(line * to + place) * after + column] = sum
      }
    }
  }
  return out
}

/** What each input pixel from `first` on counts for output pixel `place`; pixels are as wide as 1, their centres at a half. */
function weightsAt(place: number, from: number, to: number): { readonly first: number; readonly shares: number[] } {
  const scale = from / to
  const reach = Math.max(1, scale)
  const centre = (place + 0.5) * scale
  const first = Math.max(0, Math.floor(centre - reach))
  const end = Math.min(from, Math.ceil(centre + reach))
  const shares = Array.from({ length: end - first }, (_, i) => Math.max(0, 1 - Math.abs(first + i + 0.5 - centre) / reach))
  const sum = shares.reduce((total, share) => total + share, 0)
  return { first, shares: shares.map((share) => share / sum) }
}

/** Pictures in the middle of another size, cut off or with the background around them. */
function centred(pictures: Pictures, { height, width }: PictureSides, background: number): Pictures {
  const top = Math.trunc((pictures.height - height) / 2)
  const left = Math.trunc((pictures.width - width) / 2)
  return cutPictures(pictures, { top, left, height, width, background })
}

/** The part of pictures whose first pixel is (`top`, `left`); what lies outside is background. */
export function cutPictures(
  pictures: Pictures,
  {
    top,
    left,
    height,
    width,
    background,
  }: PictureSides & { readonly top: number; readonly left: number; readonly background: number },
): Pictures {
  const planes = pictures.count * pictures.channels
  const pixels = new Uint8Array(planes * height * width).fill(background)
  const [start, end] = [Math.max(0, left), Math.min(pictures.width, left + width)]
  for (let plane = 0; plane < planes; plane++) {
    for (let y = Math.max(0, -top); y < Math.min(height, pictures.height - top); y++) {
      const row = (plane * pictures.height + top + y) * pictures.width
      if (end > start) pixels.set(pictures.pixels.subarray(row + start, row + end), (plane * height + y) * width + start - left)
    }
  }
  return { ...pictures, height, width, pixels }
}
