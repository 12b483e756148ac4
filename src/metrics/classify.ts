import { DataError, OptionError, ShapeError } from '../base/errors.ts'
import { refuseUnknown } from '../base/options.ts'
import { checkPixels, type LabelledPictures, type PictureSize, type Pictures, pictureValues } from '../base/pictures.ts'
import { createRng } from '../base/rng.ts'
import { type Augmentation, augmentPictures } from '../data/augment.ts'
import { firstRow, shuffledItems } from '../data/batches.ts'
import { selectPictures } from '../data/select-pictures.ts'
import { categoricalLogProb } from '../heads/index.ts'
import { checkSizes } from '../nn/sizes.ts'
import type { Device } from '../platform/index.ts'
import { argmax, compile, float32, type InputSpec, int32, mean, negate } from '../tensor/index.ts'
import type { TrainingTask } from '../train/index.ts'
import { featureWidth, type PictureClassifier } from './classifier.ts'
import type { Features } from './frechet.ts'

export interface ClassifierTaskOptions {
  /** Pictures per step. */
  readonly batch: number
  /** Chooses the pictures of each step, and how they are changed. */
  readonly seed: number
  /** Changes to every picture, drawn anew each time it is seen. Default: none. */
  readonly augmentations?: readonly Augmentation[]
}

type ClassifierInputs = { readonly pictures: InputSpec; readonly labels: InputSpec }

/**
 * What `fit` needs to train a classifier: mean −log p(class | picture) in nats, over all pictures in an order of its own every epoch.
 * Throws ShapeError on pictures of other sizes than the classifier's or other than count × size pixels, DataError on none, or labels that it has no class for, OptionError on
 * bad options.
 * @example
 * const pictures = await readIdxPictures({ images: 'images.idx', labels: 'labels.idx' })
 * const { channels, height, width, classes } = pictures
 * const classifier = new PictureClassifier({ channels, height, width, classes: classes.length })
 * await initialize(classifier, createRng(1))
 * await fit(classifierTask(classifier, pictures, { batch: 64, seed: 1 }), { device, steps: 2000, learningRate: 1e-3 })
 */
export function classifierTask(
  classifier: PictureClassifier,
  pictures: LabelledPictures,
  options: ClassifierTaskOptions,
): TrainingTask<ClassifierInputs> {
  refuseUnknown(options, ['batch', 'seed', 'augmentations'], 'classifierTask')
  const { batch, seed, augmentations = [] } = options
  checkSizes({ batch })
  checkPictures(classifier, pictures)
  checkLabels(classifier, pictures)
  const { channels, height, width } = classifier.options
  const rng = createRng(seed)
  const item = shuffledItems(rng.fold('pictures'), pictures.count)
  const rows = Int32Array.from({ length: batch }, (_, row) => row)
  return {
    module: classifier,
    inputs: { pictures: float32(batch, channels, height, width), labels: int32(batch) },
    loss: ({ pictures, labels }) => ({ total: negate(mean(categoricalLogProb(classifier.forward(pictures).logits, labels))) }),
    batchAt: (step) => {
      const first = firstRow(step, batch)
      const chosen = selectPictures(
        pictures,
        rows.map((row) => item(first + row)),
      )
      const changed = augmentPictures(chosen, augmentations, rng.fold('augmentations').fold(step))
      return { pictures: pictureValues(changed, rows), labels: chosen.labels }
    },
  }
}

/** What a classifier makes of pictures. */
export interface Classified {
  /** `[count, 64]`. */
  readonly features: Features
  /** The most likely class of each. */
  readonly labels: Int32Array
}

export interface ClassifyOptions {
  readonly device: Device
  /** Pictures per call. Default 256. */
  readonly batch?: number
}

/**
 * Runs a classifier over pictures. Throws ShapeError on pictures of other sizes than the classifier's or other than count × size pixels, DataError on none, OptionError on bad
 * options.
 */
export async function classify(classifier: PictureClassifier, pictures: Pictures, options: ClassifyOptions): Promise<Classified> {
  refuseUnknown(options, ['device', 'batch'], 'classify')
  const { device, batch = 256 } = options
  checkSizes({ batch })
  checkPictures(classifier, pictures)
  const { channels, height, width } = classifier.options
  const program = compile(
    { x: float32('N', channels, height, width) },
    ({ x }) => {
      const { features, logits } = classifier.forward(x)
      return { features, labels: argmax(logits) }
    },
    { device },
  )
  const values = new Float32Array(pictures.count * featureWidth)
  const labels = new Int32Array(pictures.count)
  try {
    for (let start = 0; start < pictures.count; start += batch) {
      const chosen = Int32Array.from({ length: Math.min(batch, pictures.count - start) }, (_, i) => start + i)
      const found = await program.run({ x: pictureValues(pictures, chosen) })
      values.set(found.features.data as Float32Array, start * featureWidth)
      labels.set(Int32Array.from(found.labels.data, Number), start)
    }
  } finally {
    await program.dispose()
  }
  return { features: { count: pictures.count, width: featureWidth, values }, labels }
}

/** The share of equal labels. Throws OptionError unless there are as many of both, and some. */
export function accuracy(found: ArrayLike<number>, wanted: ArrayLike<number>): number {
  if (found.length !== wanted.length || found.length === 0)
    throw new OptionError(`accuracy: ${found.length} and ${wanted.length} labels`, { expected: 'as many of both, and some' })
  let right = 0
  for (let i = 0; i < found.length; i++) if (found[i] === wanted[i]) right++
  return right / found.length
}

function checkPictures({ options }: PictureClassifier, pictures: Pictures): void {
  const shown = ({ channels, height, width }: PictureSize) => `[${channels}, ${height}, ${width}]`
  if (shown(pictures) !== shown(options))
    throw new ShapeError(`pictures ${shown(pictures)}`, { expected: `${shown(options)}, as the classifier's` })
  if (pictures.count === 0) throw new DataError('there are no pictures')
  checkPixels(pictures)
}

function checkLabels({ options: { classes } }: PictureClassifier, { labels, count }: LabelledPictures): void {
  if (labels.length !== count) throw new DataError(`${labels.length} labels for ${count} pictures`, { expected: 'one each' })
  const bad = labels.findIndex((label) => !(label >= 0 && label < classes))
  if (bad >= 0) throw new DataError(`picture ${bad} has label ${labels[bad]}`, { expected: `0 to ${classes - 1}` })
}
