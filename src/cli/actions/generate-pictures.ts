import process from 'node:process'
import { OptionError } from '../../base/errors.ts'
import type { Pictures } from '../../base/pictures.ts'
import { encodePng, pictureGrid } from '../../formats/index.ts'
import { writeFileAtomic } from '../../platform/files.ts'
import { scheduledTokenizer } from '../../systems/edit-images.ts'
import {
  editImages,
  generateImages,
  type ImageModel,
  openImageCoder,
  type SampleOptions,
  type SampleStep,
} from '../../systems/index.ts'
import { interruptible } from '../exit.ts'
import { decimals, thousands } from '../format.ts'
import type { GenerateFlags } from '../generate.ts'
import { withImageModel } from '../model.ts'
import { openBar } from '../progress.ts'
import { note, oneLine, styled, writeJson } from '../terminal.ts'
import { drawSeed } from './draw-seed.ts'
import { type Edits, editsOf } from './picture-edits.ts'
import { samplingOf } from './picture-sampling.ts'
import { openPictureScreen, type PictureScreen } from './picture-screen.ts'

/** One step, as `--json` prints it. */
interface StepFacts {
  readonly step: number
  /** Values of all pictures that are settled after it. */
  readonly settled: number
  /** Since the start. */
  readonly seconds: number
}

interface Run {
  readonly seed: number
  readonly signal: AbortSignal
}

interface Drawn {
  readonly pictures: Pictures
  readonly steps: readonly StepFacts[]
  readonly seed: number
}

/** `nextx generate` with a model of pictures. */
export async function generatePicturesAction(name: string, flags: GenerateFlags): Promise<void> {
  const screen = flags.json === true ? undefined : openPictureScreen(flags.preview)
  refuseNoPlace(flags, screen)
  await interruptible(async (signal) => {
    await withImageModel(name, { ...flags, signal }, async (model) => {
      const wanted = await wantedOf(model, flags)
      const drawn = await draw(model, wanted, { seed: flags.seed ?? drawSeed(), signal }, screen)
      if (flags.out !== undefined) await writeGrid(drawn.pictures, flags, flags.out)
      const { backbone, head } = model.sampler.evaluations
      if (flags.stats === true) note(styled('dim', statsOf(drawn, { backbone, head }), process.stderr))
      if (flags.json === true) writeJson(summary(model, drawn, wanted, flags))
      else if (flags.out !== undefined) note(`wrote ${oneLine(flags.out)}`)
    })
  })
}

/** Before the model is read. */
function refuseNoPlace({ out, columns, scale }: GenerateFlags, screen: PictureScreen | undefined): void {
  if (out === undefined && screen === undefined)
    throw new OptionError('there is no terminal to show the pictures on', { fix: 'give a file with --out <file.png>' })
  if (out !== undefined && !/\.png$/i.test(out))
    throw new OptionError(`--out ${JSON.stringify(out)} is no PNG file`, { expected: 'a name that ends with .png' })
  if (out === undefined && (columns !== undefined || scale !== undefined))
    throw new OptionError('--columns and --scale are of a file, and there is none', { fix: 'give one with --out <file.png>' })
}

interface Wanted {
  readonly sampling: SampleOptions
  readonly classes: (string | number)[] | undefined
  readonly count: number
  readonly edits: Edits | undefined
}

/** Throws OptionError on flags that the model's method does not take, and as reading a picture does. */
async function wantedOf(model: ImageModel, flags: GenerateFlags): Promise<Wanted> {
  const sampling = samplingOf(model, flags)
  const classes = classesOf(model, flags)
  const count = flags.n ?? Math.max(1, classes?.length ?? 0)
  return { sampling, classes, count, edits: await editsOf(model, flags, sampling, count) }
}

function stepsOf(model: ImageModel, { sampling, classes, count, edits }: Wanted, run: Run): AsyncIterable<SampleStep> {
  const common = { ...sampling, ...(classes && { classes }), ...run }
  return edits === undefined ? generateImages(model, { ...common, count }) : editImages(model, { ...common, ...edits })
}

/** Classes by name, or by label; several take turns. */
function classesOf({ classes }: ImageModel, { class: wanted, n }: GenerateFlags): (string | number)[] | undefined {
  if (wanted === undefined) return undefined
  const each = wanted.map((name) => (!classes.includes(name) && /^\d{1,9}$/.test(name) ? Number(name) : name))
  return Array.from({ length: n ?? each.length }, (_, i) => each[i % each.length]!)
}

async function draw(model: ImageModel, wanted: Wanted, run: Run, screen: PictureScreen | undefined): Promise<Drawn> {
  const bar = openBar('drawing', 'steps')
  const coder = openImageCoder(scheduledTokenizer(model.tokenizer, wanted.sampling), { device: model.device })
  const steps: StepFacts[] = []
  const start = performance.now()
  const decode = ({ values, known }: SampleStep) => coder.decode(values, { known, signal: run.signal })
  let last: SampleStep | undefined
  try {
    for await (const each of stepsOf(model, wanted, run)) {
      last = each
      const settled = each.known.reduce((sum, one) => sum + one, 0)
      steps.push({ step: each.step, settled, seconds: (performance.now() - start) / 1000 })
      if (screen === undefined) bar.show(each.step, each.steps)
      else screen.show(await decode(each), `step ${each.step} of ${each.steps}`)
    }
    return { pictures: await decode(last!), steps, seed: run.seed }
  } finally {
    bar.close()
    await coder[Symbol.asyncDispose]()
  }
}

const gap = 2

async function writeGrid(pictures: Pictures, { columns, scale }: GenerateFlags, out: string): Promise<void> {
  const grid = pictureGrid(pictures, { gap, ...(columns !== undefined && { columns }), ...(scale !== undefined && { scale }) })
  await writeFileAtomic(out, encodePng(grid))
}

type Evaluations = ImageModel['sampler']['evaluations']

function statsOf({ pictures, steps, seed }: Drawn, { backbone, head }: Evaluations): string {
  const { seconds } = steps.at(-1)!
  const passes = `${thousands(backbone)} passes of the network${head > 0 ? `, ${thousands(head)} of its head` : ''}`
  return [
    `${thousands(pictures.count)} ${pictures.count === 1 ? 'picture' : 'pictures'} in ${decimals(seconds, 2)} s, ${thousands(steps.length)} steps`,
    passes,
    `seed ${seed}`,
  ].join('\n')
}

function summary(model: ImageModel, { pictures, steps, seed }: Drawn, { classes }: Pick<Wanted, 'classes'>, flags: GenerateFlags) {
  const { backbone, head } = model.sampler.evaluations
  const { count, channels, height, width } = pictures
  return {
    ...(flags.out !== undefined && { out: flags.out }),
    pictures: count,
    size: { channels, height, width },
    ...(classes !== undefined && { classes }),
    seed,
    steps,
    seconds: steps.at(-1)!.seconds,
    evaluations: { backbone, head },
  }
}
