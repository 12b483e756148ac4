import { type CodeBatch, countValues, type Unit, unitWidth } from '../../base/codes.ts'
import { OptionError } from '../../base/errors.ts'
import type { Layout } from '../../base/model.ts'
import { maskSchedule } from '../../orders/index.ts'
import type { SampleOptions, SampleRequest, SampleStep } from '../image-system.ts'
import type { StepPlace } from './arms.ts'
import { rowsOf } from './choose-codes.ts'
import { checkGiven } from './given-values.ts'
import { type PhaseSteps, phasesOfValues } from './phases.ts'

export interface UnmaskingShape {
  readonly unit: Unit
  readonly layout: Layout
  /** Their values are all of the layout's. */
  readonly phases: readonly PhaseSteps[]
}

/**
 * A batch of samples whose values become known phase by phase and step by step: as many at each as a cosine says, beginning with the given ones. Every
 * sample has steps of its own, as many as its unknown values allow, and is done after its last one, whatever the others still have to do.
 */
export class Unmasking<Data extends Int32Array | Float32Array> {
  /** As many as the sample with the most. 0 where all values are given. */
  readonly steps: number
  /** Values of a sample. */
  readonly size: number
  /** `[sample, value, component]`. */
  readonly values: Data
  /** `[sample, value]`: 1 where a value is known. */
  readonly known: Float32Array
  readonly #shape: UnmaskingShape
  /** For each sample, how many values are masked after each of its steps. */
  readonly #counts: readonly (readonly number[])[]
  readonly #phaseOf: readonly number[]

  /** Throws MismatchError on given values that are not the model's, OptionError on more steps of a phase than a sample has values to predict in it. */
  constructor(shape: UnmaskingShape, request: SampleRequest, empty: (length: number) => Data) {
    const { labels, given, options } = request
    const { unit, layout, phases } = shape
    checkGiven({ ...unit, layout }, request)
    this.#shape = shape
    this.size = countValues(layout)
    this.values = empty(labels.length * this.size * unitWidth(unit))
    if (given !== undefined) this.values.set(given.values.data)
    this.known = given === undefined ? new Float32Array(labels.length * this.size) : given.known.slice()
    this.#phaseOf = phasesOfValues(phases)
    const asked = stepsAsked(phases, options.steps)
    this.#counts = Array.from(labels, (_, sample) => {
      const free = this.unknownByPhase(sample).map(({ length }) => length)
      return countsOf(free, stepsOf(phases, free, asked, sample))
    })
    this.steps = this.#counts.reduce((most, { length }) => Math.max(most, length), 0)
  }

  /** The samples that have a step from 0. */
  running(step: number): number[] {
    return [...this.#counts.keys()].filter((sample) => step < this.#counts[sample]!.length)
  }

  /** Where a sample is at a step: its schedules count its own steps. */
  placeOf(sample: number, step: number): StepPlace {
    return { step, steps: this.#counts[sample]!.length }
  }

  /** Values and what is known of them, of some samples. */
  rowsOf(samples: readonly number[]): { readonly values: Data; readonly known: Float32Array } {
    return {
      values: rowsOf(this.values, samples, this.size * unitWidth(this.#shape.unit)),
      known: rowsOf(this.known, samples, this.size),
    }
  }

  /** The values of a sample that are not known yet, ascending. */
  unknown(sample: number): number[] {
    const own = this.known.subarray(sample * this.size, (sample + 1) * this.size)
    return [...own.keys()].filter((value) => own[value] !== 1)
  }

  /** The same, for each phase. */
  unknownByPhase(sample: number): number[][] {
    const unknown = this.unknown(sample)
    return this.#shape.phases.map((_, phase) => unknown.filter((value) => this.#phaseOf[value] === phase))
  }

  /** How many values of a sample are masked after one of its steps, from 0. */
  maskedAfter(sample: number, step: number): number {
    return this.#counts[sample]![step]!
  }

  settle(sample: number, value: number): void {
    this.known[sample * this.size + value] = 1
  }

  /** What is known after a step from 0. */
  report(step: number): SampleStep {
    const { unit, layout } = this.#shape
    const [count, data] = [this.known.length / this.size, this.values.slice()]
    return { step: step + 1, steps: this.steps, values: { ...unit, layout, count, data } as CodeBatch, known: this.known.slice() }
  }
}

/** Steps asked for, by phase. Throws OptionError on a list that is not one entry per phase. */
function stepsAsked(phases: readonly PhaseSteps[], asked: SampleOptions['steps']): readonly (number | undefined)[] {
  if (typeof asked !== 'object') return phases.map(() => asked)
  if (asked.length === phases.length) return asked
  throw new OptionError(`steps for ${asked.length} phases`, { expected: `a number, or ${phases.length} of them` })
}

/**
 * Steps of each phase of a sample with these many unknown values; none where it has nothing to predict. By default no more than there are values;
 * throws OptionError where more are asked for.
 */
function stepsOf(
  phases: readonly PhaseSteps[],
  free: readonly number[],
  asked: readonly (number | undefined)[],
  sample: number,
): number[] {
  return free.map((values, phase) => {
    if (values === 0) return 0
    const steps = asked[phase] ?? Math.min(phases[phase]!.steps, values)
    if (steps <= values) return steps
    const where = phases.length > 1 ? `phase ${phase} of sample ${sample}` : `sample ${sample}`
    throw new OptionError(`${steps} steps for ${values} values to predict in ${where}`, {
      expected: 'at most one step per value',
      fix: 'ask for fewer, or leave steps out: then every sample takes as many as it has values for',
    })
  })
}

/** How many values of a sample are masked after each of its steps. */
function countsOf(free: readonly number[], steps: readonly number[]): number[] {
  return free.flatMap((values, phase) => {
    if (values === 0) return []
    const later = free.slice(phase + 1).reduce((sum, count) => sum + count, 0)
    return Array.from(maskSchedule('cosine', { values, steps: steps[phase]! }), (masked) => masked + later)
  })
}
