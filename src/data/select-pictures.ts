import * as v from 'valibot'
import { DataError } from '../base/errors.ts'
import { checkOptions } from '../base/options.ts'
import { type LabelledPictures, pictureLength } from '../base/pictures.ts'
import { createRng } from '../base/rng.ts'
import { fractionSchema, seedSchema } from './checked.ts'

export interface PictureSplit {
  readonly train: LabelledPictures
  readonly validation: LabelledPictures
}

export interface PictureSplitOptions {
  /** Fraction of the pictures that is held out, between 0 and 1. */
  readonly validation: number
  readonly seed: number | bigint
}

const schema = v.strictObject({ validation: fractionSchema, seed: seedSchema })

/**
 * The pictures at `indices`, with their labels, in that order.
 * @throws DataError on an index that no picture has.
 */
export function selectPictures(pictures: LabelledPictures, indices: ArrayLike<number>): LabelledPictures {
  const length = pictureLength(pictures)
  const pixels = new Uint8Array(indices.length * length)
  const labels = new Int32Array(indices.length)
  for (let place = 0; place < indices.length; place++) {
    const index = indices[place]!
    const label = pictures.labels[index]
    if (label === undefined) throw new DataError(`there is no picture ${index}`, { expected: `0 to ${pictures.count - 1}` })
    labels[place] = label
    pixels.set(pictures.pixels.subarray(index * length, (index + 1) * length), place * length)
  }
  return { ...pictures, count: indices.length, pixels, labels }
}

/**
 * Parts pictures into those to learn from and those held out, drawn by number: the same ones whenever the number of pictures is the same.
 * Both parts keep the order of the pictures.
 *
 * Throws OptionError on other options, DataError when one of the parts would be empty.
 * @example
 * const { train, validation } = splitPictures(pictures, { validation: 0.1, seed: 1 })
 */
export function splitPictures(pictures: LabelledPictures, options: PictureSplitOptions): PictureSplit {
  checkOptions(schema, options, 'splitPictures')
  const held = Math.round(pictures.count * options.validation)
  if (held === 0 || held === pictures.count)
    throw new DataError(`holding out ${held} of ${pictures.count} pictures leaves a part empty`, {
      fix: 'hold out another fraction',
    })
  const order = createRng(options.seed).fold('validation pictures').permutation(pictures.count)
  return {
    train: selectPictures(pictures, order.subarray(held).sort()),
    validation: selectPictures(pictures, order.subarray(0, held).sort()),
  }
}
