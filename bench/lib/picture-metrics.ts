import { createHash } from 'node:crypto'
import { createRng, fit } from 'nextx'
import { type LabelledPictures, shifted } from 'nextx/data'
import { accuracy, classifierTask, classify, frechetReport, PictureClassifier } from 'nextx/metrics'
import { disposeModule, initialize } from 'nextx/nn'
import { type Device, exists } from 'nextx/platform'
import { adamw, cosine, loadModule, saveModule } from 'nextx/train'
import type { PictureSet } from './picture-data.ts'

/** What generated pictures are worth. */
export interface PictureScores {
  /** FD64: between the features of generated and of real held-out pictures. */
  readonly frechetDistance: number
  /** The same for as many real pictures as were generated. */
  readonly floor: number
  /** How often a second classifier sees the class that was asked for. */
  readonly accuracy: number
}

export interface PictureJudge extends AsyncDisposable {
  /** How often each classifier is right about the held-out pictures; what real pictures score is `accuracy`. */
  readonly heldOut: { readonly features: number; readonly accuracy: number }
  /** Scores of generated pictures, which are labelled with the classes asked for; at most half as many as are held out. */
  score(generated: LabelledPictures): Promise<PictureScores>
}

export interface JudgeOptions {
  readonly device: Device
  /** Default 1. */
  readonly seed?: number
  /** Steps of 64 pictures. Default 6000: about a minute of one thread for pictures of 28 × 28. */
  readonly steps?: number
  /** Where trained classifiers are kept. */
  readonly folder?: string
}

/** Shifts keep ten thousand digits from being learnt by heart, which would take features far apart. */
const training = { batch: 64, peak: 2e-3, warmup: 100, weightDecay: 0.05, shift: { by: 1, background: 0 } }

/**
 * Two classifiers of the training pictures with seeds of their own: one whose features are compared, one that says what it sees. They are
 * trained once and kept under a digest of the pictures and of all that training depends on.
 */
export async function openPictureJudge({ train, test }: PictureSet, options: JudgeOptions): Promise<PictureJudge> {
  const { device, seed = 1 } = options
  const [observer, referee] = [
    await trainedClassifier(train, 2 * seed, options),
    await trainedClassifier(train, 2 * seed + 1, options),
  ]
  const real = await classify(observer, test, { device })
  const refereed = await classify(referee, test, { device })
  return {
    heldOut: { features: accuracy(real.labels, test.labels), accuracy: accuracy(refereed.labels, test.labels) },
    async score(generated) {
      const { features } = await classify(observer, generated, { device })
      const { labels } = await classify(referee, generated, { device })
      const { distance, floor } = frechetReport({ real: real.features, generated: features, rng: createRng(seed) })
      return { frechetDistance: distance, floor, accuracy: accuracy(labels, generated.labels) }
    },
    [Symbol.asyncDispose]: () => disposeModule({ observer, referee }),
  }
}

async function trainedClassifier(pictures: LabelledPictures, seed: number, options: JudgeOptions): Promise<PictureClassifier> {
  const { device, steps = 6000, folder = 'runs/picture-judges' } = options
  const { channels, height, width, classes } = pictures
  const classifier = new PictureClassifier({ channels, height, width, classes: classes.length })
  const path = `${folder}/${digestOf(pictures, { ...training, seed, steps })}`
  if (await exists(path)) {
    await loadModule(path, classifier)
    return classifier
  }
  await initialize(classifier, createRng(seed).fold('picture judge'))
  await fit(classifierTask(classifier, pictures, { batch: training.batch, seed, augmentations: [shifted(training.shift)] }), {
    device,
    steps,
    learningRate: cosine({ peak: training.peak, warmup: Math.min(training.warmup, steps - 1), steps }),
    optimizer: adamw({ weightDecay: training.weightDecay }),
  })
  await saveModule(path, classifier)
  return classifier
}

function digestOf({ pixels, labels, channels, height, width, classes }: LabelledPictures, settings: object): string {
  const hash = createHash('sha256').update(JSON.stringify({ channels, height, width, classes, ...settings }))
  hash.update(pixels).update(labels)
  return hash.digest('hex').slice(0, 24)
}
