import { createHash } from 'node:crypto'
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
import { openPictureJudge, type PictureScores } from '../lib/picture-metrics.ts'
import { arms, type ImageArm, recipe, type Sampling, sampleOptions } from './arms.ts'
import { type ArmPictures, labelledCodes, openArmDevice, pictureSet, runs, tokenizer, tokenizerSteps } from './setup.ts'

/** What training an arm with one seed gave. */
export interface TrainedArm {
  readonly seed: number
  readonly parameters: number
  /** Mean over the held-out pictures after the last update. */
  readonly validationLoss: number
  readonly trainingSeconds: number
  readonly trainedPicturesPerSecond: number
  /** Most memory of the process that trained it, in MB. */
  readonly peakMemory: number
  readonly machine: string
}

/** What its samples are worth. */
export interface ArmScores extends PictureScores {
  readonly judged: number
  /** Of the classifiers on held-out pictures. */
  readonly ceiling: number
}

export interface ArmOutcome extends TrainedArm, ArmScores {}

/** An arm with one seed; `quick` has fewer updates and samples, for a look under a minute. */
export interface ArmRun {
  readonly name: string
  readonly seed: number
  readonly quick: boolean
}

export interface Judgement {
  /** Default: as the arm has it. */
  readonly sampling?: Sampling
  /** What samples are compared with. Default `test`; options are chosen on `development`. */
  readonly part?: 'test' | 'development'
  /** Default 2000. */
  readonly samples?: number
}

const quickly = { steps: 1 / 40, samples: 200 }

function pathOf({ name, seed, quick }: ArmRun): string {
  return `${runs}arms/${name}-${seed}${quick ? '-quick' : ''}`
}

/** An arm trained: from `runs` where it was trained with these settings before, else now. Its model lies beside. */
export function trainedArm(run: ArmRun): Promise<TrainedArm> {
  const { sampling: _, ...learning } = arms[run.name]!
  return keptOr(`${pathOf(run)}.trained.json`, { recipe, tokenizerSteps, ...learning }, () => trainArm(run))
}

/** An arm trained and judged as it draws. */
export async function armOutcome(run: ArmRun): Promise<ArmOutcome> {
  return { ...(await trainedArm(run)), ...(await armScores(run)) }
}

/** What samples of an arm are worth: from `runs` where they were judged before, else now. Trains the arm first where that was not done. */
export async function armScores(run: ArmRun, judgement: Judgement = {}): Promise<ArmScores> {
  const trained = await trainedArm(run)
  const { sampling = arms[run.name]!.sampling ?? {}, part = 'test', samples = run.quick ? quickly.samples : 2000 } = judgement
  const settings = { sampling, part, samples, trained }
  const digest = createHash('sha256').update(JSON.stringify(settings)).digest('hex').slice(0, 12)
  return await keptOr(`${pathOf(run)}.${digest}.json`, settings, () => judged(run, { sampling, part, samples }))
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
export function armModel(run: ArmRun, device: Device): Promise<ImageModel> {
  return loadImageModel(pathOf(run), { device })
}

async function trainArm(run: ArmRun): Promise<TrainedArm> {
  const arm = arms[run.name]!
  const { seed, quick } = run
  await using device = await openArmDevice()
  const set = await pictureSet(arm.data ?? 'fashion')
  const made = await tokenizer(arm.tokenizer, arm.data ?? 'fashion', set, device)
  const system = await loadImageSystem(arm.system)
  const { classes } = set.train
  await using model = await createImageModel({ system, options: arm.options ?? {}, tokenizer: made, classes, device, seed })
  const steps = Math.ceil((arm.steps ?? recipe.steps) * (quick ? quickly.steps : 1))
  const trained = await trainModel(model, set, arm, steps, seed)
  mkdirSync(`${runs}arms`, { recursive: true })
  await saveImageModel(model, pathOf(run))
  const peakMemory = process.resourceUsage().maxRSS / 1000
  return { seed, parameters: parameterCount(model.network), ...trained, peakMemory, machine: cpus()[0]!.model }
}

async function judged(run: ArmRun, { sampling, part, samples: most }: Required<Judgement>): Promise<ArmScores> {
  const set = await pictureSet(arms[run.name]!.data ?? 'fashion')
  const against = { train: set.train, test: part === 'test' ? set.test : set.development }
  // The distance between real pictures needs two sets of them.
  const samples = Math.min(most, Math.floor(against.test.count / 2))
  await using device = await openArmDevice()
  await using model = await armModel(run, device)
  await using judge = await openPictureJudge(against, { device, folder: `${runs}judges` })
  const scores = await judge.score(await drawn(model, set.train.classes, samples, sampleOptions(sampling)))
  return { ...scores, judged: samples, ceiling: judge.heldOut.accuracy }
}

async function trainModel(model: ImageModel, set: ArmPictures, arm: ImageArm, steps: number, seed: number) {
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
