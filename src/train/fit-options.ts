import * as v from 'valibot'
import { OptionError } from '../base/errors.ts'
import { callable, checkOptions, nonNegative, positive, wholeNumber } from '../base/options.ts'
import type { Device } from '../platform/device.ts'
import type { WeightAverageFactory } from './average.ts'
import type { FitEvent, ValidationContext } from './fit-events.ts'
import type { CompanionFiles } from './model-files.ts'
import type { OptimizerFactory } from './optimizer.ts'
import type { Schedule } from './schedules.ts'
import type { TrainingTask } from './task.ts'

export interface EarlyStopping {
  /** Validations without a gain after which the run stops. */
  readonly patience: number
  /** How much the validation loss must fall to count as a gain. Default 0. */
  readonly minimumGain?: number
}

export interface FitOptions {
  readonly device: Device
  /** Updates in all, those before a resumption included. */
  readonly steps: number
  readonly learningRate: number | Schedule
  /** Default: `adamw()`. */
  readonly optimizer?: OptimizerFactory
  /** Limit of the gradients' global norm. Default: none. */
  readonly clip?: number
  /** Batches per update: update s uses the batches s·accumulate to (s + 1)·accumulate − 1. Default 1. */
  readonly accumulate?: number
  /** Averaged weights, which are validated, passed to `onValidation`, and left in the module at the end. Default: none. */
  readonly average?: WeightAverageFactory
  /** Updates between validations. Default: never. */
  readonly validateEvery?: number
  readonly earlyStopping?: EarlyStopping
  /** Where checkpoints go, `step-<n>`, and the weights of the lowest validation loss, `best`. */
  readonly folder?: string
  /** Updates between checkpoints; one is written at the end in any case. Default 1000. */
  readonly checkpointEvery?: number
  /** How many checkpoints stay. Default 3. */
  readonly keep?: number
  /** Goes on from the folder's last checkpoint: if there is one (default), never (a folder with checkpoints is refused), or always. */
  readonly resume?: 'auto' | 'never' | 'always'
  /** Files to put beside the weights in every checkpoint and in `best`: configuration, vocabulary. */
  readonly files?: CompanionFiles
  /** A file that gets every event as a line of JSON. */
  readonly log?: string
  /** Ends the run after the update under way, with a checkpoint. */
  readonly signal?: AbortSignal
  readonly onEvent?: (event: FitEvent) => void | Promise<void>
  /** For samples during training. */
  readonly onValidation?: (context: ValidationContext) => void | Promise<void>
}

const fileContent = v.union([v.string(), v.instance(Uint8Array)])

const schema = v.strictObject({
  device: v.looseObject({ run: callable }),
  steps: wholeNumber(1),
  learningRate: v.union([nonNegative, callable], 'expected a number ≥ 0 or a schedule'),
  optimizer: v.optional(callable),
  clip: v.optional(positive),
  accumulate: v.optional(wholeNumber(1)),
  average: v.optional(callable),
  validateEvery: v.optional(wholeNumber(1)),
  earlyStopping: v.optional(v.strictObject({ patience: wholeNumber(1), minimumGain: v.optional(nonNegative) })),
  folder: v.optional(v.pipe(v.string(), v.nonEmpty())),
  checkpointEvery: v.optional(wholeNumber(1)),
  keep: v.optional(wholeNumber(1)),
  resume: v.optional(v.picklist(['auto', 'never', 'always'])),
  files: v.optional(v.record(v.pipe(v.string(), v.regex(/^[\w-][\w.-]*$/, 'is no plain file name')), fileContent)),
  log: v.optional(v.pipe(v.string(), v.nonEmpty())),
  signal: v.optional(v.instance(AbortSignal)),
  onEvent: v.optional(callable),
  onValidation: v.optional(callable),
})

/** Options that do nothing without another one. */
const needs: readonly (readonly [keyof FitOptions, keyof FitOptions])[] = [
  ['earlyStopping', 'validateEvery'],
  ['onValidation', 'validateEvery'],
  ['checkpointEvery', 'folder'],
  ['keep', 'folder'],
  ['resume', 'folder'],
  ['files', 'folder'],
]

const ownFiles = ['model.safetensors', 'training.safetensors', 'training.json']

const taskSchema = v.looseObject({
  module: v.looseObject({}),
  inputs: v.looseObject({}),
  loss: callable,
  batchAt: callable,
  validation: v.optional(v.looseObject({ batches: wholeNumber(1), batchAt: callable })),
  fingerprint: v.optional(v.string()),
})

/** Throws OptionError for anything unknown, out of range, or without effect. */
export function checkFitOptions(task: TrainingTask, options: FitOptions): void {
  checkOptions(taskSchema, task, 'training task')
  checkOptions(schema, options, 'fit')
  for (const [option, other] of needs) {
    if (options[option] !== undefined && options[other] === undefined) {
      throw new OptionError(`fit: ${option} does nothing without ${other}`, { fix: `give ${other} too` })
    }
  }
  if (options.validateEvery !== undefined && task.validation === undefined) {
    throw new OptionError('fit: validateEvery is given, and the task has no validation batches')
  }
  const taken = ownFiles.find((name) => Object.hasOwn(options.files ?? {}, name))
  if (taken !== undefined) throw new OptionError(`fit: files: ${taken} is a name that checkpoints use themselves`)
}
