import { DataError, OptionError } from '../../base/errors.ts'
import type { PictureSize, Pictures } from '../../base/pictures.ts'
import { readPictures } from '../../data/index.ts'
import { scheduledTokenizer } from '../../systems/edit-images.ts'
import type { EditImagesOptions, ImageModel, PictureMask, SampleOptions } from '../../systems/index.ts'
import type { KeptArea, PictureFlags } from '../picture-flags.ts'
import { oneLine } from '../terminal.ts'

/** What `editImages` is asked for. */
export type Edits = Pick<EditImagesOptions, 'pictures' | 'mask' | 'keptScales'>

/** Grey values from here on are kept. */
const bright = 128

/**
 * The picture of `--image`, `count` times, and what stays of it; undefined without one. Throws DataError on files that hold no single picture,
 * OptionError on areas outside the picture.
 */
export async function editsOf(
  { tokenizer }: ImageModel,
  { image, keep, keptScales, resize }: PictureFlags,
  sampling: SampleOptions,
  count: number,
): Promise<Edits | undefined> {
  if (image === undefined) return undefined
  const { picture } = scheduledTokenizer(tokenizer, sampling)
  const pictures = repeated(await onePicture(image, { picture, resize, channels: picture.channels }), count)
  if (keep === undefined) return { pictures, ...(keptScales !== undefined && { keptScales }) }
  const masks = await Promise.all(keep.map((area) => keptPixels(area, picture, resize)))
  return { pictures, mask: maskOf(masks, picture) }
}

interface Reading {
  readonly picture: PictureSize
  readonly resize: PictureFlags['resize']
  readonly channels: number
  readonly background?: number
}

async function onePicture(path: string, { picture, resize, channels, background }: Reading): Promise<Pictures> {
  const { height, width } = picture
  const brought = resize && { resize, size: { height, width }, channels: channels as 1 | 3 }
  const pictures = await readPictures({ files: path, ...brought, ...(background !== undefined && { background }) })
  if (pictures.count === 1) return pictures
  throw new DataError(`'${oneLine(path)}' holds ${pictures.count} pictures`, { expected: 'one' })
}

function repeated({ channels, height, width, pixels }: Pictures, count: number): Pictures {
  const all = new Uint8Array(count * pixels.length)
  for (let i = 0; i < count; i++) all.set(pixels, i * pixels.length)
  return { count, channels, height, width, pixels: all }
}

/** Which pixels stay, `[y, x]`. */
async function keptPixels(
  area: KeptArea,
  picture: PictureSize,
  resize: PictureFlags['resize'],
): Promise<(y: number, x: number) => boolean> {
  const { height, width } = picture
  if ('path' in area) {
    // What a mask does not reach, or shows through, is not kept.
    const mask = await onePicture(area.path, { picture, resize, channels: 1, background: 0 })
    if (mask.height !== height || mask.width !== width) {
      throw new DataError(`the mask '${oneLine(area.path)}' has ${mask.height}×${mask.width} pixels`, {
        expected: `${height}×${width}, as the picture has`,
        fix: 'give --resize',
      })
    }
    const plane = height * width
    const planes = Array.from({ length: mask.channels }, (_, channel) => channel * plane)
    return (y, x) => planes.every((start) => mask.pixels[start + y * width + x]! >= bright)
  }
  if (area.top + area.height > height || area.left + area.width > width) {
    throw new OptionError(`--keep ${area.top},${area.left},${area.height},${area.width} reaches beyond the picture`, {
      expected: `top, left, height and width within ${height}×${width} pixels`,
    })
  }
  const within = (at: number, start: number, size: number) => at >= start && at < start + size
  return (y, x) => within(y, area.top, area.height) && within(x, area.left, area.width)
}

function maskOf(kept: readonly ((y: number, x: number) => boolean)[], { height, width }: PictureSize): PictureMask {
  const pixels = Uint8Array.from({ length: height * width }, (_, i) =>
    Number(!kept.some((keeps) => keeps(Math.floor(i / width), i % width))),
  )
  return { height, width, pixels }
}
