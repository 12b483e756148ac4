import * as v from 'valibot'
import { countValues, unitWidth } from '../base/codes.ts'
import { DataError, NonFiniteError, OptionError } from '../base/errors.ts'
import { callable, checkOptions, wholeNumber } from '../base/options.ts'
import { type Pictures, pictureLength, pictureValues } from '../base/pictures.ts'
import { createRng } from '../base/rng.ts'
import { bitsPerDimension, pictureStep } from '../metrics/index.ts'
import { compile, float32, int32 } from '../tensor/index.ts'
import { labelsOf } from './generate-images.ts'
import { checkPictures } from './image-coder.ts'
import type { ImageModel } from './image-model.ts'
import type { ImageNetwork } from './image-system.ts'

/** How likely pictures are under a model; natural logarithms. */
export interface ImageScore {
  readonly pictures: number
  /** Numbers, or ids, that a picture's values are made of. */
  readonly values: number
  /** log p(values | class) of each picture: a probability of ids, a density of vectors. */
  readonly logProbs: Float64Array
  /** Mean of −log p. */
  readonly natsPerPicture: number
  readonly natsPerValue: number
  /** Of 8-bit pixels, an upper bound by uniform dequantisation; where the tokenizer's values are the pixels themselves. */
  readonly bitsPerDimension?: number
}

export interface ScoreImagesOptions {
  /** One class for each picture: names or labels; a single one for all. Default: none. */
  readonly classes?: string | number | readonly (string | number)[]
  /** Of the noise that makes numbers of 8-bit levels: picture i of a seed gets the same whatever the others are. */
  readonly seed: number
  /** Most pictures of one run of the network. Default 16. */
  readonly batch?: number
  readonly signal?: AbortSignal
  /** Called with the number of scored pictures. */
  readonly onProgress?: (done: number, total: number) => void
}

const schema = v.strictObject({
  classes: v.optional(v.union([v.string(), wholeNumber(0), v.array(v.union([v.string(), wholeNumber(0)]))])),
  seed: wholeNumber(0),
  batch: v.optional(wholeNumber(1, 2 ** 16)),
  signal: v.optional(v.instance(AbortSignal)),
  onProgress: v.optional(callable),
})

/**
 * Exact log p of pictures, as far as the model has one: chain-rule sums of ids in raster order or by scales, densities of flows. What is scored are the
 * tokenizer's values; only where they are the pixels (`patches`) are there bits per dimension, of levels with uniform noise as wide as one.
 *
 * Throws OptionError on options or classes that do not fit and on systems without an exact likelihood, MismatchError on pictures of another size,
 * ShapeError on other than count × size pixels, DataError when there are none, NonFiniteError when a picture's log p is no number.
 * @example
 * const { natsPerPicture } = await scoreImages(imageModel, pictures, { classes: 3, seed: 1 })
 */
export async function scoreImages(model: ImageModel, pictures: Pictures, options: ScoreImagesOptions): Promise<ImageScore> {
  checkOptions(schema, options, 'scoreImages')
  const { classes, seed, batch = 16, signal, onProgress } = options
  const likelihood = exactLikelihood(model)
  if (pictures.count === 0) throw new DataError('scoreImages: there are no pictures')
  checkPictures(model.tokenizer, pictures)
  const labels = labelsOf(model, classes, pictures.count)
  const size = Math.min(batch, pictures.count)
  const program = compileScore(model, likelihood, size)
  const logProbs = new Float64Array(pictures.count)
  try {
    for (let start = 0; start < pictures.count; start += size) {
      signal?.throwIfAborted()
      // The last run repeats pictures, as sizes are fixed.
      const indices = Array.from({ length: size }, (_, i) => Math.min(start + i, pictures.count - 1))
      const values = noised(model, pictures, indices, seed)
      const { logProb } = await program.run({ pictures: values, labels: Int32Array.from(indices, (index) => labels[index]!) })
      for (const [i, index] of indices.entries()) logProbs[index] = finite(logProb.data[i] as number, index)
      onProgress?.(Math.min(start + size, pictures.count), pictures.count)
    }
  } finally {
    await program.dispose()
  }
  return summary(model, logProbs)
}

type Likelihood = NonNullable<ImageNetwork['logProb']>

function exactLikelihood({ system, network }: ImageModel): Likelihood {
  if (network.logProb !== undefined) return network.logProb.bind(network)
  throw new OptionError(`${system.id} has no exact likelihood: its pictures cannot be scored`, {
    expected: 'a system that predicts ids in a fixed order, such as var or elm, or a flow, such as starflow',
  })
}

function compileScore({ tokenizer, device }: ImageModel, logProb: Likelihood, batch: number) {
  const { channels, height, width } = tokenizer.picture
  return compile(
    { pictures: float32(batch, channels, height, width), labels: int32(batch) },
    ({ pictures, labels }) => ({ logProb: logProb(tokenizer.encode(pictures), labels) }),
    { device, name: 'score' },
  )
}

/** Whether values are the pixels, in another order. */
function keepsPixels({ tokenizer }: ImageModel): boolean {
  return tokenizer.kind === 'patches'
}

/** Values of pictures for networks; where they are scored as they are, somewhere within their level. */
function noised(model: ImageModel, pictures: Pictures, indices: readonly number[], seed: number): Float32Array {
  const values = pictureValues(pictures, indices)
  if (!keepsPixels(model)) return values
  const length = pictureLength(pictures)
  const rng = createRng(seed).fold('picture')
  const noise = new Float32Array(length)
  for (const [i, index] of indices.entries()) {
    rng.fold(index).fold('level').fillUniform(noise)
    for (let j = 0; j < length; j++) values[i * length + j]! += (noise[j]! - 0.5) * pictureStep
  }
  return values
}

function finite(logProb: number, index: number): number {
  if (Number.isFinite(logProb)) return logProb
  throw new NonFiniteError(`the log p of picture ${index} is ${logProb}`)
}

function summary(model: ImageModel, logProbs: Float64Array): ImageScore {
  const { unit, layout } = model.tokenizer
  const values = countValues(layout) * unitWidth(unit)
  const natsPerPicture = -logProbs.reduce((sum, logProb) => sum + logProb, 0) / logProbs.length
  return {
    pictures: logProbs.length,
    values,
    logProbs,
    natsPerPicture,
    natsPerValue: natsPerPicture / values,
    ...(keepsPixels(model) && { bitsPerDimension: bitsPerDimension(natsPerPicture, values, { step: pictureStep }) }),
  }
}
