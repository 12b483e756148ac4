import { type Command, InvalidArgumentError, Option } from 'commander'
import type { GuidanceRamp } from '../decode/index.ts'
import { notNegative, sides, wholeNumber } from './numbers.ts'

/** A part of a picture that stays, in pixels; or the picture of one, bright where it stays. */
export type KeptArea =
  | { readonly top: number; readonly left: number; readonly height: number; readonly width: number }
  | { readonly path: string }

/** The options of drawing pictures as they were given. */
export interface PictureFlags {
  readonly class?: readonly string[]
  readonly n?: number
  readonly guidance?: number
  readonly guidanceSchedule?: GuidanceRamp
  readonly steps?: number
  readonly innerSteps?: number
  readonly method?: 'euler' | 'heun' | 'ab2'
  readonly selection?: 'confidence' | 'random'
  readonly choiceTemperature?: number
  readonly schedule?: readonly (number | readonly [height: number, width: number])[]
  readonly size?: readonly [height: number, width: number]
  readonly inverse?: 'sequential' | 'jacobi' | 'auto'
  readonly image?: string
  readonly keep?: readonly KeptArea[]
  readonly keptScales?: number
  readonly resize?: 'stretch' | 'contain' | 'cover'
  readonly out?: string
  readonly columns?: number
  readonly scale?: number
  readonly preview?: boolean
}

const ramps = ['constant', 'linear', 'cosine', 'log', 'square'] as const satisfies readonly GuidanceRamp[]

/** Adds what only models of pictures take. */
export function addPictureOptions(command: Command): void {
  addSamplingOfPictures(command)
  addEdits(command)
  command
    .optionsGroup('Pictures:')
    .option('-o, --out <file>', 'write all pictures side by side into a PNG file')
    .option('--columns <count>', 'pictures in a row of the file (default: a square)', wholeNumber(1, 4096))
    .option('--scale <factor>', 'sides of the square that each pixel becomes in the file (default: 1)', wholeNumber(1, 64))
    .option('--preview', 'show every step as text (default: on a terminal)')
    .option('--no-preview', 'show nothing')
}

function addSamplingOfPictures(command: Command): void {
  const schedule = new Option('--guidance-schedule <name>', 'how guidance rises from 1 to its scale (default: constant)')
  command
    .optionsGroup('Pictures:')
    .option('--class <class...>', 'names or numbers of classes; several take turns, each at least once')
    .option('--n <count>', 'pictures (default: one of each class asked for)', wholeNumber(1, 4096))
    .option('--guidance <scale>', 'how much the class counts: u + scale·(c − u); 1 or none: as it is', notNegative)
    .addOption(schedule.choices(ramps))
    .option('--steps <count>', 'steps of a masked order', wholeNumber(1, 65536))
    .option('--inner-steps <count>', 'steps of the solver inside each step, where values are solved for', wholeNumber(1, 65536))
    .addOption(new Option('--method <name>', 'solver of these').choices(['euler', 'heun', 'ab2']))
    .addOption(
      new Option('--selection <name>', 'which values of a masked step stay (default: confidence)').choices([
        'confidence',
        'random',
      ]),
    )
    .option('--choice-temperature <number>', 'how freely a masked order chooses which values stay', notNegative)
    .option('--schedule <scales>', 'scales to draw on, as shorter sides or height x width: 1,2,4x5,7', parseScales)
    .option('--size <height[xwidth]>', 'of the last scale, in values (default: as trained)', sides(1, 'values'))
    .addOption(
      new Option('--inverse <name>', 'how flows are inverted (default: sequential)').choices(['sequential', 'jacobi', 'auto']),
    )
}

function addEdits(command: Command): void {
  command
    .optionsGroup('Pictures of which a part is drawn anew:')
    .option('--image <file>', 'draw this picture anew, but for what is kept')
    .option(
      '--keep <area...>',
      'what stays of it: top,left,height,width in pixels, or a picture file that is bright there; of several, all',
      collectAreas,
    )
    .addOption(
      new Option('--kept-scales <count>', 'how many scales of it stay, coarse ones first')
        .argParser(wholeNumber(0, 4096))
        .conflicts('keep'),
    )
    .addOption(
      new Option('--resize <how>', "bring picture and mask to the model's size and channels").choices([
        'stretch',
        'contain',
        'cover',
      ]),
    )
}

/** Says that fewer pictures are asked for than classes, undefined when not: some classes would be left out. */
export function tooFewFor({ class: classes = [], n = classes.length }: PictureFlags): string | undefined {
  if (n >= classes.length) return undefined
  return `error: option '--n' of ${n} is fewer than the ${classes.length} classes of '--class'`
}

/** Says which option is missing beside those given, undefined when none is. */
export function missingBeside({ guidance, guidanceSchedule, image, keep, keptScales, resize }: PictureFlags): string | undefined {
  const needs = (option: string, other: string) => `error: option '${option}' needs '${other}'`
  if (guidanceSchedule !== undefined && guidance === undefined) return needs('--guidance-schedule', '--guidance')
  if (image !== undefined)
    return keep === undefined && keptScales === undefined ? needs('--image', '--keep or --kept-scales') : undefined
  const given = Object.entries({ '--keep': keep, '--kept-scales': keptScales, '--resize': resize })
  const alone = given.find(([, value]) => value !== undefined)
  return alone && needs(alone[0], '--image')
}

function parseScales(text: string): (number | readonly [number, number])[] {
  const read = sides(1, 'values')
  return text.split(',').map((scale) => (scale.includes('x') ? read(scale) : wholeNumber(1, 4096)(scale)))
}

function collectAreas(text: string, before: readonly KeptArea[] = []): KeptArea[] {
  const [, ...numbers] = /^(\d{1,5}),(\d{1,5}),(\d{1,5}),(\d{1,5})$/.exec(text) ?? []
  if (numbers.length === 0) return [...before, { path: text }]
  const [top, left, height, width] = numbers.map(Number) as [number, number, number, number]
  if (height === 0 || width === 0)
    throw new InvalidArgumentError('Expected top,left,height,width with a height and width above 0, or a file.')
  return [...before, { top, left, height, width }]
}
