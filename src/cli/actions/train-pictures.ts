import { DataError } from '../../base/errors.ts'
import type { LabelledPictures } from '../../base/pictures.ts'
import { createRng } from '../../base/rng.ts'
import { augmentPictures, horizontalFlip, type PictureSplit, readPictures, splitPictures } from '../../data/index.ts'
import { disposeModule, freeze } from '../../nn/index.ts'
import { exists, isFile } from '../../platform/files.ts'
import type { Device } from '../../platform/index.ts'
import {
  createImageModel,
  encodePictures,
  type ImageModel,
  type ImageSystem,
  imageModelFiles,
  imageModule,
  imageTask,
  imageTokenizerFiles,
  imageTokenizerTask,
  type LabelledCodes,
  loadImageSystem,
  saveImageModel,
} from '../../systems/index.ts'
import { adamw, cosine, fit } from '../../train/index.ts'
import { thousands } from '../format.ts'
import type { TrainFlags } from '../train.ts'
import { type NamedTokenizer, namedTokenizer, usualTokenizers } from './picture-tokenizers.ts'
import { showSamples } from './train-pictures-sample.ts'
import { openReport, type TrainingReport } from './train-report.ts'
import { endIfStopped, mostValidationBatches, withDevice } from './train-run.ts'
import { batchOf, checkPreset, checkpointFolder, fitOptions, usualRates } from './train-settings.ts'

/** What all stages of a training share. */
interface Run {
  readonly flags: TrainFlags
  readonly system: ImageSystem
  readonly options: object
  readonly tokenizer: NamedTokenizer
  readonly data: PictureSplit
  readonly device: Device
  readonly report: TrainingReport
  readonly signal: AbortSignal
}

/** `nextx train` with a system of pictures: first its tokenizer, unless there is one, then the model. */
export async function trainPictures(flags: TrainFlags, signal: AbortSignal): Promise<void> {
  const system = await loadImageSystem(flags.system)
  checkPreset(system, flags.preset)
  const options = { ...(system.presets[flags.preset] as object), ...usualTokenizers[system.id]?.options }
  const tokenizer = await namedTokenizer(flags.tokenizer, system.id)
  refuseUnfit(system, options, tokenizer)
  const report = openReport(flags, { unit: 'pictures', loss: '' })
  report.reading(flags.data)
  const data = await readData(flags)
  await withDevice(flags, report, (device) => trainOn({ flags, system, options, tokenizer, data, device, report, signal }))
}

/** Before the pictures are read, whose size may make a difference still. Throws MismatchError when the system takes no such tokenizer. */
function refuseUnfit(system: ImageSystem, options: object, { examples }: NamedTokenizer): void {
  const problems = examples.map((example) => {
    try {
      system.build(system.readOptions(options), { tokenizer: example(), classes: 1 })
      return undefined
    } catch (error) {
      return error
    }
  })
  if (!problems.includes(undefined)) throw problems[0]
}

async function readData(flags: TrainFlags): Promise<PictureSplit> {
  const { data, size, resize = 'cover', channels, validation, seed, flip } = flags
  const [only, ...others] = data as readonly [string, ...string[]]
  const folder = others.length === 0 && (await exists(only)) && !(await isFile(only))
  const pictures = await readPictures({
    ...(folder ? { folder: only } : { files: data }),
    ...(size && { size: { height: size[0], width: size[1] }, resize }),
    ...(channels && { channels }),
  })
  const split = splitPictures(pictures, { validation, seed })
  checkCounts(split, batchOf(flags, 'pictures'))
  return flip === true ? { ...split, train: withMirrored(split.train) } : split
}

function checkCounts({ train, validation }: PictureSplit, batch: number): void {
  const short = [train, validation].find(({ count }) => count < batch)
  if (short === undefined) return
  throw new DataError(`${train.count} pictures to train on, and ${validation.count} held out`, {
    expected: `at least a batch of ${batch} of each`,
    fix: 'give more pictures, a smaller --batch, or another --validation',
  })
}

/** The pictures, and after them their mirror images. */
function withMirrored(pictures: LabelledPictures): LabelledPictures {
  const mirrored = augmentPictures(pictures, [horizontalFlip(1)], createRng(0))
  const pixels = new Uint8Array(2 * pictures.pixels.length)
  pixels.set(pictures.pixels)
  pixels.set(mirrored.pixels, pictures.pixels.length)
  const labels = Int32Array.from({ length: 2 * pictures.count }, (_, i) => pictures.labels[i % pictures.count]!)
  return { ...pictures, count: 2 * pictures.count, pixels, labels }
}

async function trainOn(run: Run): Promise<void> {
  const { flags, system, options, data, device, report } = run
  const { seed, out } = flags
  const { channels, height, width, classes } = data.train
  const { tokenizer, trained } = await run.tokenizer.open({ channels, height, width }, seed)
  const model = await createImageModel({ system, options, tokenizer, classes, device, seed }).catch(async (error: unknown) => {
    await disposeModule(tokenizer)
    throw error
  })
  try {
    report.data(descriptionOf(data, model), factsOf(data, model), perStep(flags))
    if (!trained) await trainTokenizer(run, model)
    report.stage('model', perStep(flags))
    const result = await trainModel(run, model)
    endIfStopped(result, report)
    await saveImageModel(model, out)
    report.finished(result, out)
  } finally {
    await model[Symbol.asyncDispose]()
  }
}

function perStep(flags: TrainFlags): number {
  return batchOf(flags, 'pictures') * flags.accumulate
}

/** Pictures of an update of the tokenizer, and its highest rate. */
const tokenizerRecipe = { batch: 64, rate: 2e-3, warmup: 50 }

async function trainTokenizer({ flags, data, device, report, signal }: Run, { tokenizer }: ImageModel): Promise<void> {
  const { tokenizerSteps: steps, seed, resume, log } = flags
  const { batch, rate, warmup } = tokenizerRecipe
  report.stage('tokenizer', batch)
  const task = imageTokenizerTask(tokenizer, {
    pictures: data.train,
    validation: data.validation,
    batch,
    seed,
    validationBatches: mostValidationBatches,
  })
  const every = Math.max(1, Math.round(steps / 5))
  const result = await fit(task, {
    device,
    signal,
    steps,
    learningRate: cosine({ peak: rate, warmup: Math.min(warmup, Math.floor(steps / 20)), steps }),
    optimizer: adamw({ betas: [0.9, 0.95], weightDecay: 0 }),
    clip: 1,
    validateEvery: every,
    checkpointEvery: every,
    folder: `${checkpointFolder(flags)}/tokenizer`,
    resume: resume === true ? 'auto' : 'never',
    files: imageTokenizerFiles(tokenizer),
    ...(log !== undefined && { log }),
    onEvent: (event) => report.event(event),
  })
  endIfStopped(result, report)
}

async function trainModel({ flags, data, device, report, signal }: Run, model: ImageModel) {
  const { system, network } = model
  const codesOf = async (pictures: LabelledPictures): Promise<LabelledCodes> => ({
    codes: await encodePictures(model.tokenizer, pictures, { device, signal }),
    labels: pictures.labels,
  })
  const task = imageTask(model, {
    train: await codesOf(data.train),
    validation: await codesOf(data.validation),
    batch: batchOf(flags, 'pictures'),
    seed: flags.seed,
    validationBatches: mostValidationBatches,
  })
  // Checkpoints are model folders too: they have the tokenizer, which stays as it is.
  freeze(model.tokenizer)
  const { width } = system.presets[flags.preset] as { readonly width: number }
  return fit(
    { ...task, module: imageModule(model) },
    {
      ...fitOptions(flags, width, usualRates.pictures),
      device,
      signal,
      files: imageModelFiles(model),
      onEvent: (event) => report.event(event),
      onValidation: async ({ step }) => {
        const count = Math.max(1, Math.min(flags.samples, 256))
        const classes = network.classes === 0 ? {} : { classes: Array.from({ length: count }, (_, i) => i % network.classes) }
        await showSamples(model, { count, ...classes, seed: flags.seed, signal }, step, flags, report)
      },
    },
  )
}

function factsOf({ train, validation }: PictureSplit, { tokenizer }: ImageModel) {
  const { channels, height, width, classes } = train
  return {
    size: { channels, height, width },
    classes: classes.length,
    training: train.count,
    validation: validation.count,
    tokenizer: tokenizer.kind,
  }
}

function descriptionOf({ train, validation }: PictureSplit, { tokenizer }: ImageModel): string {
  const { channels, height, width, classes } = train
  const colours = channels === 1 ? 'grey' : 'in colours'
  return [
    `pictures of ${height} × ${width} ${colours}, ${classes.length === 0 ? 'no classes' : `${thousands(classes.length)} classes`}: `,
    `${thousands(train.count)} to train on, ${thousands(validation.count)} held out; tokenizer: ${tokenizer.kind}`,
  ].join('')
}
