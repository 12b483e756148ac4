import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { cpus } from 'node:os'
import type { LabelledPictures } from 'nextx/data'
import { parameterCount } from 'nextx/nn'
import type { Device } from 'nextx/platform'
import {
  createImageModel,
  decodeCodes,
  generateCodes,
  type ImageModel,
  imageTask,
  loadImageModel,
  loadImageSystem,
  type SampleOptions,
  saveImageModel,
} from 'nextx/systems'
import { adamw, cosine, fit } from 'nextx/train'
import type { PictureSet } from '../lib/picture-data.ts'
import { openPictureJudge, type PictureScores } from '../lib/picture-metrics.ts'
import { arms, type ImageArm, recipe } from './arms.ts'
import { labelledCodes, openArmDevice, pictureSet, runs, tokenizer } from './setup.ts'

/** What training an arm with one seed gave. */
export interface TrainedArm {
  readonly arm: ImageArm
  readonly seed: number
  readonly parameters: number
  /** Mean over the held-out pictures after the last update. */
  readonly validationLoss: number
  readonly trainingSeconds: number
  readonly trainedPicturesPerSecond: number
  readonly machine: string
}

/** What its samples are worth. */
export interface ArmOutcome extends TrainedArm, PictureScores {
  readonly judged: number
  /** Of the classifiers on held-out pictures. */
  readonly ceiling: number
}

/** Fewer updates and samples, for a look under a minute. */
export interface ArmScale {
  readonly steps: number
  readonly samples: number
}

const whole: ArmScale = { steps: 1, samples: 2000 }
const quickly: ArmScale = { steps: 1 / 40, samples: 200 }

function folderOf(name: string, seed: number, quick: boolean): string {
  return `${runs}arms/${name}-${seed}${quick ? '-quick' : ''}`
}

/** An arm trained: from `runs` where it was trained with these settings before, else now. Its model lies beside. */
export function trainedArm(name: string, arm: ImageArm, seed: number, quick: boolean): Promise<TrainedArm> {
  return keptOr(`${folderOf(name, seed, quick)}.trained.json`, { ...arm, sampling: undefined }, () =>
    trainArm(name, arm, seed, quick),
  )
}

/** An arm trained and judged: from `runs` where that was done with these settings before, else now. */
export async function armOutcome(name: string, arm: ImageArm, seed: number, quick: boolean): Promise<ArmOutcome> {
  const trained = await trainedArm(name, arm, seed, quick)
  return keptOr(`${folderOf(name, seed, quick)}.judged.json`, { arm, trained }, async () => {
    return { ...trained, arm, ...(await judgeArm(name, arm, seed, quick)) }
  })
}

/** What a file has, if it was made with these settings; else what `make` gives, which it then keeps. */
async function keptOr<T>(file: string, settings: object, make: () => Promise<T>): Promise<T> {
  const wanted = JSON.stringify(settings)
  if (existsSync(file)) {
    const kept = JSON.parse(readFileSync(file, 'utf8')) as { readonly settings: object; readonly result: T }
    if (JSON.stringify(kept.settings) === wanted) return kept.result
  }
  const result = await make()
  writeFileSync(file, `${JSON.stringify({ settings, result }, null, 2)}\n`)
  return result
}

/** The model that `trainedArm` trained. */
export function armModel(name: string, seed: number, quick: boolean, device: Device): Promise<ImageModel> {
  return loadImageModel(folderOf(name, seed, quick), { device })
}

async function trainArm(name: string, arm: ImageArm, seed: number, quick: boolean): Promise<TrainedArm> {
  await using device = await openArmDevice()
  const set = await pictureSet(arm.data ?? 'fashion')
  const made = await tokenizer(arm.tokenizer, arm.data ?? 'fashion', set, device)
  const system = await loadImageSystem(arm.system)
  const { classes } = set.train
  await using model = await createImageModel({ system, options: arm.options ?? {}, tokenizer: made, classes, device, seed })
  const steps = Math.ceil((arm.steps ?? recipe.steps) * (quick ? quickly : whole).steps)
  const trained = await trainModel(model, set, arm, steps, seed)
  mkdirSync(`${runs}arms`, { recursive: true })
  await saveImageModel(model, folderOf(name, seed, quick))
  return { arm, seed, parameters: parameterCount(model.network), ...trained, machine: cpus()[0]!.model }
}

async function judgeArm(name: string, arm: ImageArm, seed: number, quick: boolean) {
  await using device = await openArmDevice()
  await using model = await armModel(name, seed, quick, device)
  return await judged(model, arm, quick ? quickly.samples : whole.samples)
}

/** What samples of a trained arm are worth when they are drawn in another way. */
export async function judgedSampling(name: string, seed: number, sampling: SampleOptions): Promise<PictureScores> {
  await using device = await openArmDevice()
  await using model = await armModel(name, seed, false, device)
  return await judged(model, { ...arms[name]!, sampling }, whole.samples)
}

async function judged(model: ImageModel, { data = 'fashion', sampling }: ImageArm, samples: number) {
  const set = await pictureSet(data)
  await using judge = await openPictureJudge(set, { device: model.device, folder: `${runs}judges` })
  const scores = await judge.score(await drawn(model, set.train.classes, samples, sampling))
  return { ...scores, judged: samples, ceiling: judge.heldOut.accuracy }
}

async function trainModel(model: ImageModel, set: PictureSet, arm: ImageArm, steps: number, seed: number) {
  const { device } = model
  const { batch = recipe.batch, learningRate = recipe.learningRate } = arm
  const train = await labelledCodes(model.tokenizer, set.train, device)
  const validation = await labelledCodes(model.tokenizer, set.test, device)
  const start = performance.now()
  let validationLoss = Number.NaN
  await fit(imageTask(model, { train, validation, batch, seed, validationBatches: 32 }), {
    device,
    steps,
    learningRate: cosine({ peak: learningRate, warmup: Math.min(100, Math.floor(steps / 10)), steps }),
    optimizer: adamw({ betas: [0.9, 0.95], weightDecay: 0.05 }),
    clip: 1,
    validateEvery: steps,
    onEvent: (event) => {
      if (event.kind === 'validation') validationLoss = event.loss
      if (event.kind === 'step' && event.step % 500 === 0)
        console.error(`${arm.system} ${seed}: ${event.step} of ${steps}: ${event.loss.toFixed(4)}`)
    },
  })
  const trainingSeconds = (performance.now() - start) / 1000
  return { validationLoss, trainingSeconds, trainedPicturesPerSecond: (steps * batch) / trainingSeconds }
}

/** Samples with the classes in turn, in batches. */
export async function drawn(
  model: ImageModel,
  classes: readonly string[],
  count: number,
  sampling: SampleOptions = {},
): Promise<LabelledPictures> {
  const { channels, height, width } = model.tokenizer.picture
  const pixels = new Uint8Array(count * channels * height * width)
  const labels = Int32Array.from({ length: count }, (_, i) => i % classes.length)
  const batch = 100
  for (let start = 0; start < count; start += batch) {
    const wanted = [...labels.subarray(start, start + batch)]
    const codes = await generateCodes(model, { classes: wanted, seed: 1000 + start, ...sampling })
    const pictures = await decodeCodes(model.tokenizer, codes, { device: model.device })
    pixels.set(pictures.pixels, start * channels * height * width)
  }
  return { count, channels, height, width, pixels, labels, classes }
}
