import * as v from 'valibot'
import { OptionError } from '../base/errors.ts'
import { checkOptions, wholeNumber } from '../base/options.ts'
import { type Pictures, pictureLength } from '../base/pictures.ts'
import type { Rng } from '../base/rng.ts'
import { cutPictures } from './conform-pictures.ts'

/** A change that leaves a picture one of its kind: a pure function of the picture, `count` 1, and its generator. */
export type Augmentation = (picture: Pictures, rng: Rng) => Pictures

/**
 * Left and right exchanged, with this probability.
 * @throws OptionError unless it is from 0 to 1.
 * @example
 * const larger = augmentPictures(pictures, [horizontalFlip(), shifted({ by: 2, background: 0 })], rng)
 */
export function horizontalFlip(probability = 0.5): Augmentation {
  if (!(probability >= 0 && probability <= 1))
    throw new OptionError(`horizontalFlip: a probability of ${probability}`, { expected: '0 to 1' })
  return (picture, rng) => (rng.uniformAt(0) < probability ? flipped(picture) : picture)
}

export interface ShiftOptions {
  /** Most pixels to any side; all shifts are equally likely. */
  readonly by: number
  /** Grey value from 0 to 255 of what comes in from outside. */
  readonly background: number
}

const shiftSchema = v.strictObject({ by: wholeNumber(1, 2 ** 15), background: wholeNumber(0, 255) })

/**
 * Moved up or down and left or right: a cut of its own size from the picture with a margin around it.
 * @throws OptionError on other options.
 */
export function shifted(options: ShiftOptions): Augmentation {
  checkOptions(shiftSchema, options, 'shifted')
  const { by, background } = options
  return (picture, rng) => {
    const [top, left] = [rng.integerAt(0, 2 * by + 1) - by, rng.integerAt(1, 2 * by + 1) - by]
    return cutPictures(picture, { top, left, height: picture.height, width: picture.width, background })
  }
}

/**
 * Every picture changed by one augmentation after another. Picture i takes its randomness from `rng` folded with i and the augmentation's
 * place, so that what becomes of it depends on no other picture. Fields other than the pixels stay.
 */
export function augmentPictures<Set extends Pictures>(pictures: Set, augmentations: readonly Augmentation[], rng: Rng): Set {
  const length = pictureLength(pictures)
  const pixels = new Uint8Array(pictures.pixels.length)
  const { channels, height, width } = pictures
  for (let index = 0; index < pictures.count; index++) {
    const own = rng.fold(index)
    const start: Pictures = {
      count: 1,
      channels,
      height,
      width,
      pixels: pictures.pixels.subarray(index * length, (index + 1) * length),
    }
    const changed = augmentations.reduce((picture, change, place) => change(picture, own.fold(place)), start)
    if (changed.pixels.length !== length)
      throw new OptionError('augmentPictures: a change of size', { expected: 'the size of before' })
    pixels.set(changed.pixels, index * length)
  }
  return { ...pictures, pixels }
}

function flipped(picture: Pictures): Pictures {
  const { width } = picture
  return {
    ...picture,
    pixels: picture.pixels.map((_, index) => picture.pixels[index - (index % width) + width - 1 - (index % width)]!),
  }
}
