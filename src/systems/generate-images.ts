import * as v from 'valibot'
import { type CodeBatch, type Unit, unitWidth } from '../base/codes.ts'
import { DataError, MismatchError, OptionError } from '../base/errors.ts'
import { callable, checkOptions, nonNegative, wholeNumber } from '../base/options.ts'
import { createRng } from '../base/rng.ts'
import { valueCount } from './image-engines/choose-codes.ts'
import type { ImageModel } from './image-model.ts'
import type { SampleOptions, SampleRequest, SampleStep } from './image-system.ts'

export interface GenerateImagesOptions extends SampleOptions {
  /** One class for each picture: names or labels; a single one for all. Default: none. */
  readonly classes?: string | number | readonly (string | number)[]
  /** Pictures. Default: as many as classes, else 1. */
  readonly count?: number
  /** Of the random choices: picture i of a seed is the same whatever the count. */
  readonly seed: number
  /** Values to keep, and which: for in-painting and completion. `known` is `[count, value]`, 1 where a value is given. */
  readonly given?: SampleRequest['given']
  readonly signal?: AbortSignal
}

type Given = NonNullable<SampleRequest['given']>

const special = { classes: true, count: true, seed: true, given: true, signal: true } as const

const side = wholeNumber(1, 4096)

const schema = v.looseObject({
  classes: v.optional(v.union([v.string(), wholeNumber(0), v.array(v.union([v.string(), wholeNumber(0)]))])),
  count: v.optional(wholeNumber(1, 4096)),
  seed: wholeNumber(0),
  given: v.optional(v.looseObject({ values: v.looseObject({ count: wholeNumber(0) }), known: v.instance(Float32Array) })),
  signal: v.optional(v.instance(AbortSignal)),
  guidance: v.optional(v.union([nonNegative, callable])),
  guidanceHigh: v.optional(v.pipe(v.number(), v.minValue(0), v.maxValue(1))),
  guidanceSpace: v.optional(v.picklist(['eps', 'hidden'])),
  temperature: v.optional(nonNegative),
  steps: v.optional(v.union([wholeNumber(1), v.array(wholeNumber(1))])),
  selection: v.optional(v.picklist(['confidence', 'random'])),
  choiceTemperature: v.optional(v.union([nonNegative, callable])),
  innerSteps: v.optional(v.union([wholeNumber(1), callable])),
  schedule: v.optional(v.pipe(v.array(v.union([side, v.tuple([side, side])])), v.minLength(1))),
  size: v.optional(v.tuple([side, side])),
  unseenTopK: v.optional(wholeNumber(1)),
  contextNoise: v.optional(v.pipe(v.number(), v.finite(), v.minValue(0))),
})

/**
 * Generates code values step by step; every step's values decode to a preview (`decodeCodes` with its `known`). Throws OptionError on options that
 * the model's system does not take or that would change nothing, on classes that it does not have or no class where it learnt each picture with its own, and
 * as its sampler does.
 * @example
 * for await (const { step, steps } of generateImages(imageModel, { classes: 3, count: 16, seed: 1 })) console.log(step, steps)
 */
export async function* generateImages(
  model: ImageModel,
  options: GenerateImagesOptions,
): AsyncGenerator<SampleStep, void, undefined> {
  checkOptions(schema, options, 'generateImages')
  const { classes, count, seed, given, signal, ...sampling } = options
  const { sampler } = model
  const unknown = Object.keys(sampling).find((name) => !sampler.options.some((option) => option === name))
  if (unknown !== undefined) {
    throw new OptionError(`${model.system.id} does not take ${unknown}`, {
      expected: [...Object.keys(special), ...sampler.options].join(', '),
    })
  }
  const labels = labelsOf(model, classes, count)
  checkGuidance(model, labels, sampling.guidance)
  if (given !== undefined) checkGiven(given, model.tokenizer.unit, labels.length)
  const rng = createRng(seed)
  const rngs = Array.from(labels, (_, i) => rng.fold('picture').fold(i))
  yield* sampler.sample({ labels, rngs, options: sampling, ...(given && { given }), ...(signal && { signal }) })
}

/** The values of the last step. Throws as `generateImages` does. */
export async function generateCodes(model: ImageModel, options: GenerateImagesOptions): Promise<CodeBatch> {
  let last: SampleStep | undefined
  for await (const step of generateImages(model, options)) last = step
  return last!.values
}

/**
 * A label for each of `count` pictures; `network.classes` where no class is wanted. Throws OptionError on classes that the model does not have, and on
 * none when training dropped no label: the row of that label is then as it was made.
 */
export function labelsOf({ classes, network }: ImageModel, wanted: GenerateImagesOptions['classes'], count?: number): Int32Array {
  const list = wanted === undefined ? [] : Array.isArray(wanted) ? wanted : [wanted as string | number]
  if (list.length > 1 && count !== undefined && count !== list.length)
    throw new OptionError(`${list.length} classes for ${count} pictures`, { expected: 'one class, or one for each picture' })
  const total = count ?? Math.max(1, list.length)
  const labels = list.map((each: string | number) => labelOf(each, classes))
  const classless = labels.length === 0 && network.classes > 0
  if (classless && network.labelDrop === 0)
    throw new OptionError('this model learnt no picture without its class', { fix: 'give the classes of the pictures' })
  return Int32Array.from({ length: total }, (_, i) => (labels.length === 1 ? labels[0]! : (labels[i] ?? network.classes)))
}

function labelOf(wanted: string | number, classes: readonly string[]): number {
  const label = typeof wanted === 'number' ? wanted : classes.indexOf(wanted)
  if (label >= 0 && label < classes.length) return label
  const names = classes.slice(0, 20).map((name, i) => (name === String(i) ? name : `${i} (${name})`))
  throw new OptionError(`there is no class ${JSON.stringify(wanted)}`, {
    expected: classes.length === 0 ? 'no class: the model has none' : names.join(', '),
  })
}

/** Guidance leads towards a class. Models without classes refuse it themselves. */
function checkGuidance({ network }: ImageModel, labels: Int32Array, guidance: SampleOptions['guidance']): void {
  const counts = guidance !== undefined && guidance !== 1
  if (!counts || network.classes === 0 || labels.some((label) => label !== network.classes)) return
  throw new OptionError('guidance of pictures without a class changes nothing, and takes twice the work', {
    fix: 'name classes, or leave guidance out',
  })
}

function checkGiven({ values, known }: Given, unit: Unit, count: number): void {
  if (values.count !== count) throw new OptionError(`${values.count} given samples for ${count} pictures`, { expected: 'one each' })
  const width = values.kind === 'ids' ? values.vocabulary.length : values.dimension
  if (values.kind !== unit.kind || width !== unitWidth(unit))
    throw new MismatchError(`given values of ${width} ${values.kind}`, {
      expected: `${unitWidth(unit)} ${unit.kind}, as the model's`,
    })
  const size = count * valueCount(values)
  const odd = known.find((bit) => bit !== 0 && bit !== 1)
  if (known.length !== size || odd !== undefined)
    throw new OptionError(`known has ${known.length} entries${odd === undefined ? '' : `, one of them ${odd}`}`, {
      expected: `${size} for the given values, 1 where one is given and 0 where not`,
    })
  const unfit = values.data.findIndex((value, i) => !fits(value, unit, i))
  if (unfit >= 0)
    throw new DataError(`given value ${unfit} is ${values.data[unfit]}`, { expected: 'ids of the vocabulary, or finite numbers' })
}

function fits(value: number, unit: Unit, place: number): boolean {
  if (unit.kind === 'vectors') return Number.isFinite(value)
  return value >= 0 && value < unit.vocabulary[place % unit.vocabulary.length]!
}
