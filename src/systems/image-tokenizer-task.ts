import * as v from 'valibot'
import { DataError, OptionError } from '../base/errors.ts'
import { callable, checkOptions, wholeNumber } from '../base/options.ts'
import { type Pictures, pictureLength, pictureValues } from '../base/pictures.ts'
import { createRng, type Rng } from '../base/rng.ts'
import { firstRow, shuffledItems } from '../data/batches.ts'
import { type Augmentation, augmentPictures } from '../data/index.ts'
import { sha256 } from '../platform/digest.ts'
import { float32, type Inputs, type Tensor } from '../tensor/index.ts'
import type { ImageTokenizer } from '../tokenizers/image/image-tokenizer.ts'
import type { TrainingTask } from '../train/index.ts'
import { checkPictures } from './image-coder.ts'

export interface ImageTokenizerTaskOptions {
  readonly pictures: Pictures
  /** Pictures per step. */
  readonly batch: number
  /** Chooses the pictures and the noise of each step. */
  readonly seed: number
  /** Changes of a picture, anew each time it is seen. Not part of the task's fingerprint. */
  readonly augment?: readonly Augmentation[]
  /** Held-out pictures; without them there is no validation. */
  readonly validation?: Pictures
  /** Most held-out batches per validation. Default: all that are full. */
  readonly validationBatches?: number
}

const schema = v.strictObject({
  pictures: v.looseObject({}),
  batch: wholeNumber(1, 2 ** 20),
  seed: wholeNumber(0),
  augment: v.optional(v.array(callable)),
  validation: v.optional(v.looseObject({})),
  validationBatches: v.optional(wholeNumber(1)),
})

type Feed = Readonly<Record<string, Float32Array>>

/**
 * What `fit` needs to train an image tokenizer. Throws OptionError on bad options or a tokenizer that is not trained, MismatchError on
 * pictures of another size, ShapeError on other than count × size pixels, DataError when there are none.
 */
export function imageTokenizerTask(tokenizer: ImageTokenizer, options: ImageTokenizerTaskOptions): TrainingTask {
  checkOptions(schema, options, 'imageTokenizerTask')
  if (tokenizer.losses === undefined)
    throw new OptionError(`imageTokenizerTask: nothing is trained in a tokenizer of kind ${tokenizer.kind}`)
  const losses = tokenizer.losses.bind(tokenizer)
  const { pictures, batch, seed, validation } = options
  for (const each of validation ? [pictures, validation] : [pictures]) checkSome(tokenizer, each)
  const rng = createRng(seed).fold('image tokenizer')
  return {
    module: tokenizer,
    inputs: inputsOf(tokenizer, batch),
    loss: ({ pictures: batchOf, ...noise }: Readonly<Record<string, Tensor>>) => losses(batchOf!, noise),
    batchAt: trainingBatches(tokenizer, options, rng),
    ...(validation && { validation: heldOut(tokenizer, options, validation, rng) }),
    fingerprint: fingerprint(tokenizer, options),
  }
}

/** Pictures, and the noise that the losses take, each by its name. */
function inputsOf({ picture, noise = {} }: ImageTokenizer, batch: number): Inputs {
  const specs = Object.entries(noise).map(([name, { shape }]) => [name, float32(batch, ...shape)] as const)
  return { ...Object.fromEntries(specs), pictures: float32(batch, picture.channels, picture.height, picture.width) }
}

function trainingBatches(tokenizer: ImageTokenizer, options: ImageTokenizerTaskOptions, rng: Rng) {
  const { pictures, batch, augment = [] } = options
  const itemAt = shuffledItems(rng.fold('order'), pictures.count)
  return (step: number): Feed => {
    const first = firstRow(step, batch)
    const chosen = Array.from({ length: batch }, (_, i) => itemAt(first + i))
    return { ...noiseOf(tokenizer, batch, rng.fold('noise').fold(step)), pictures: seen(pictures, chosen, augment, rng.fold(step)) }
  }
}

function seen(pictures: Pictures, chosen: readonly number[], augment: readonly Augmentation[], rng: Rng): Float32Array {
  if (augment.length === 0) return pictureValues(pictures, chosen)
  const changed = augmentPictures(picturesAt(pictures, chosen), augment, rng.fold('augment'))
  return pictureValues(changed, [...chosen.keys()])
}

function picturesAt({ channels, height, width, pixels }: Pictures, chosen: readonly number[]): Pictures {
  const length = pictureLength({ channels, height, width })
  const own = new Uint8Array(chosen.length * length)
  for (const [i, index] of chosen.entries()) own.set(pixels.subarray(index * length, (index + 1) * length), i * length)
  return { count: chosen.length, channels, height, width, pixels: own }
}

function heldOut(tokenizer: ImageTokenizer, { batch, validationBatches }: ImageTokenizerTaskOptions, pictures: Pictures, rng: Rng) {
  const batches = Math.min(Math.max(1, Math.floor(pictures.count / batch)), validationBatches ?? Number.POSITIVE_INFINITY)
  const batchAt = (index: number): Feed => {
    // Fewer pictures than a batch are repeated.
    const indices = Array.from({ length: batch }, (_, i) => (index * batch + i) % pictures.count)
    return { ...noiseOf(tokenizer, batch, rng.fold('validation').fold(index)), pictures: pictureValues(pictures, indices) }
  }
  return { batches, batchAt }
}

function noiseOf({ noise = {} }: ImageTokenizer, batch: number, rng: Rng): Feed {
  const draws = Object.entries(noise).map(([name, { kind, shape }]) => {
    const values = new Float32Array(shape.reduce((product, size) => product * size, batch))
    return [name, kind === 'normal' ? rng.fold(name).fillNormal(values) : rng.fold(name).fillUniform(values)] as const
  })
  return Object.fromEntries(draws)
}

function checkSome(tokenizer: ImageTokenizer, pictures: Pictures): void {
  if (pictures.count === 0) throw new DataError('imageTokenizerTask: there are no pictures')
  checkPictures(tokenizer, pictures)
}

/** Changes with everything that decides what a step is fed and held to, but for the augmentation. */
function fingerprint(tokenizer: ImageTokenizer, { pictures, validation, batch, seed }: ImageTokenizerTaskOptions): string {
  const file = new TextEncoder().encode(JSON.stringify(tokenizer.toJSON()))
  const parts = [pictures.pixels, ...(validation === undefined ? [] : [validation.pixels]), file]
  return `image tokenizer ${parts.map((part) => sha256([part])).join(' ')} ${batch} ${seed}`
}
