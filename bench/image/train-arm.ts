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
import { type ImageArm, recipe } from './arms.ts'
import { labelledCodes, openArmDevice, pictureSet, runs, tokenizer } from './setup.ts'

/** What training and judging an arm with one seed gave. */
export interface ArmOutcome extends PictureScores {
  readonly arm: ImageArm
  readonly seed: number
  readonly parameters: number
  /** Mean over the held-out pictures after the last update. */
  readonly validationLoss: number
  readonly trainingSeconds: number
  readonly trainedPicturesPerSecond: number
  readonly judged: number
  /** Of the classifiers on held-out pictures. */
  readonly ceiling: number
  readonly machine: string
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

/** The outcome of an arm: from `runs` where it was trained with these settings before, else trained now. */
export async function armOutcome(name: string, arm: ImageArm, seed: number, quick: boolean): Promise<ArmOutcome> {
  const file = `${folderOf(name, seed, quick)}.json`
  if (existsSync(file)) {
    const kept = JSON.parse(readFileSync(file, 'utf8')) as ArmOutcome
    if (JSON.stringify(kept.arm) === JSON.stringify(arm)) return kept
  }
  const outcome = await trainArm(name, arm, seed, quick)
  writeFileSync(file, `${JSON.stringify(outcome, null, 2)}\n`)
  return outcome
}

/** The model that `armOutcome` trained. */
export function armModel(name: string, seed: number, quick: boolean, device: Device): Promise<ImageModel> {
  return loadImageModel(folderOf(name, seed, quick), { device })
}

async function trainArm(name: string, arm: ImageArm, seed: number, quick: boolean): Promise<ArmOutcome> {
  const { steps: share, samples } = quick ? quickly : whole
  const device = await openArmDevice()
  const set = await pictureSet(arm.data ?? 'fashion')
  const made = await tokenizer(arm.tokenizer, arm.data ?? 'fashion', set, device)
  const system = await loadImageSystem(arm.system)
  const { classes } = set.train
  const model = await createImageModel({ system, options: arm.options ?? {}, tokenizer: made, classes, device, seed })
  const steps = Math.ceil((arm.steps ?? recipe.steps) * share)
  const trained = await trainModel(model, set, arm, steps, seed)
  mkdirSync(`${runs}arms`, { recursive: true })
  await saveImageModel(model, folderOf(name, seed, quick))
  await using judge = await openPictureJudge(set, { device, folder: `${runs}judges` })
  const scores = await judge.score(await drawn(model, classes, samples, arm.sampling))
  const outcome = {
    arm,
    seed,
    parameters: parameterCount(model.network),
    ...trained,
    ...scores,
    judged: samples,
    ceiling: judge.heldOut.accuracy,
    machine: cpus()[0]!.model,
  }
  await model[Symbol.asyncDispose]()
  await device[Symbol.asyncDispose]()
  return outcome
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
