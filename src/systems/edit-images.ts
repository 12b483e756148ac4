import * as v from 'valibot'
import { elementCount } from '../base/dtype.ts'
import { MismatchError, OptionError, ShapeError } from '../base/errors.ts'
import { checkOptions, wholeNumber } from '../base/options.ts'
import type { Pictures } from '../base/pictures.ts'
import type { ImageTokenizer } from '../tokenizers/index.ts'
import { type GenerateImagesOptions, generateImages } from './generate-images.ts'
import { encodePictures } from './image-coder.ts'
import { gridsOf, scheduleOf, tokenizerFor } from './image-engines/scale-schedule.ts'
import type { ImageModel } from './image-model.ts'
import type { SampleStep } from './image-system.ts'

/** Where a picture is to be painted anew. */
export interface PictureMask {
  readonly height: number
  readonly width: number
  /** `[height, width]`: 0 where the picture stays. */
  readonly pixels: Uint8Array
}

export interface EditImagesOptions extends Omit<GenerateImagesOptions, 'count' | 'given'> {
  /** Of the size that the model's tokenizer takes; with `schedule` or `size`, of the last scale's. */
  readonly pictures: Pictures
  /** What to paint anew: one mask for all pictures, or one for each. */
  readonly mask?: PictureMask | readonly PictureMask[]
  /** Instead of a mask: how many scales of the pictures stay, coarse ones first; finer ones are drawn anew. */
  readonly keptScales?: number
}

const maskEntry = v.looseObject({ height: wholeNumber(1), width: wholeNumber(1), pixels: v.instance(Uint8Array) })
const schema = v.looseObject({
  pictures: v.looseObject({}),
  mask: v.optional(v.union([maskEntry, v.pipe(v.array(maskEntry), v.minLength(1))])),
  keptScales: v.optional(wholeNumber(0)),
})

/**
 * Pictures of which a part is generated anew, step by step; the values of the rest stay, to the bit. Values whose cell reaches into the mask are drawn
 * anew. Throws OptionError on bad options and as `generateImages` does, MismatchError on pictures and masks of other sizes, ShapeError on masks with
 * other than height × width pixels.
 * @example
 * const mask = { height: 28, width: 28, pixels: new Uint8Array(28 * 28).fill(1, 14 * 28) } // the lower half
 * for await (const { values } of editImages(imageModel, { pictures, mask, classes: 3, seed: 1 })) console.log(values.count)
 */
export async function* editImages(model: ImageModel, options: EditImagesOptions): AsyncGenerator<SampleStep, void, undefined> {
  checkOptions(schema, options, 'editImages')
  const { pictures, mask, keptScales, ...sampling } = options
  const tokenizer = scheduledTokenizer(model.tokenizer, sampling)
  const known = keptValues(tokenizer, options)
  const values = await encodePictures(tokenizer, pictures, {
    device: model.device,
    ...(sampling.signal && { signal: sampling.signal }),
  })
  yield* generateImages(model, { ...sampling, count: pictures.count, given: { values, known } })
}

/**
 * The values that a mask leaves as they are, `[value]` 1 or 0: those whose cell of the picture has no masked pixel. Throws MismatchError when the mask is
 * not of the tokenizer's size, or values stand on no grids; ShapeError when it has other than height × width pixels.
 */
export function maskedValues(
  { kind, picture, layout }: Pick<ImageTokenizer, 'kind' | 'picture' | 'layout'>,
  mask: PictureMask,
): Float32Array {
  const { height, width, pixels } = mask
  if (height !== picture.height || width !== picture.width) {
    throw new MismatchError(`a mask of ${height}×${width} for the tokenizer ${kind}`, {
      expected: `${picture.height}×${picture.width}`,
    })
  }
  if (pixels.length !== height * width)
    throw new ShapeError(`a mask of ${pixels.length} pixels`, { expected: `${height}×${width}` })
  return Float32Array.from(gridsOf(layout).flatMap((grid) => keptCells(mask, grid)))
}

/** 1 for each cell of a grid without masked pixels. Cells that pixels do not divide into overlap, as when pictures are made smaller by area. */
function keptCells({ height, width, pixels }: PictureMask, [rows, columns]: readonly [number, number]): number[] {
  const span = (cell: number, cells: number, size: number) =>
    [Math.floor((cell * size) / cells), Math.ceil(((cell + 1) * size) / cells)] as const
  return Array.from({ length: rows * columns }, (_, cell) => {
    const [top, bottom] = span(Math.floor(cell / columns), rows, height)
    const [left, right] = span(cell % columns, columns, width)
    for (let y = top; y < bottom; y++)
      if (pixels.subarray(y * width + left, y * width + right).some((pixel) => pixel !== 0)) return 0
    return 1
  })
}

/** The tokenizer of the scales that sampling runs on. Throws OptionError on scales that do not grow, MismatchError on a tokenizer without others. */
export function scheduledTokenizer(
  tokenizer: ImageTokenizer,
  { schedule, size }: Pick<EditImagesOptions, 'schedule' | 'size'>,
): ImageTokenizer {
  if (schedule === undefined && size === undefined) return tokenizer
  const asked = { ...(schedule && { schedule }), ...(size && { size }) }
  return tokenizerFor(tokenizer, { parts: scheduleOf(tokenizer.layout, asked).map((shape) => ({ shape })) })
}

/** `[picture, value]` */
function keptValues(tokenizer: ImageTokenizer, { pictures, mask, keptScales }: EditImagesOptions): Float32Array {
  if ((mask === undefined) === (keptScales === undefined))
    throw new OptionError('editImages: mask or keptScales says what stays', { expected: 'one of them' })
  const rows = mask === undefined ? [keptParts(tokenizer, keptScales!)] : [mask].flat().map((each) => maskedValues(tokenizer, each))
  if (rows.length !== 1 && rows.length !== pictures.count)
    throw new OptionError(`editImages: ${rows.length} masks for ${pictures.count} pictures`, { expected: 'one, or one for each' })
  const length = rows[0]!.length
  return Float32Array.from({ length: pictures.count * length }, (_, i) => rows[Math.floor(i / length) % rows.length]![i % length]!)
}

function keptParts({ layout: { parts } }: ImageTokenizer, kept: number): Float32Array {
  if (kept > parts.length)
    throw new OptionError(`editImages: keptScales is ${kept}`, { expected: `at most the ${parts.length} scales` })
  return Float32Array.from(parts.flatMap(({ shape }, k) => Array<number>(elementCount(shape)).fill(k < kept ? 1 : 0)))
}
