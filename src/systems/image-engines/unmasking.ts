import type { CodeBatch, Unit } from '../../base/codes.ts'
import { MismatchError, OptionError } from '../../base/errors.ts'
import type { Layout } from '../../base/model.ts'
import { maskSchedule } from '../../orders/index.ts'
import type { SampleOptions, SampleRequest, SampleStep } from '../image-system.ts'
import { valueCount } from './choose-codes.ts'
import { type PhaseSteps, phasesOfValues } from './phases.ts'

export interface Unmasked {
  readonly unit: Unit
  readonly layout: Layout
  /** Their values are all of the layout's. */
  readonly phases: readonly PhaseSteps[]
}

/** A batch of samples whose values become known phase by phase and step by step: as many at each as a cosine says, beginning with the given ones. */
export class Unmasking<Data extends Int32Array | Float32Array> {
  readonly steps: number
  /** Values of a sample. */
  readonly size: number
  /** `[sample, value, component]`. */
  readonly values: Data
  /** `[sample, value]`: 1 where a value is known. */
  readonly known: Float32Array
  readonly #shape: Unmasked
  /** For each sample, how many values are masked after each step. */
  readonly #counts: readonly (readonly number[])[]
  readonly #phaseOf: readonly number[]

  /** Throws OptionError when a sample has nothing to predict, or fewer values in a phase than there are to be steps. */
  constructor(shape: Unmasked, { labels, given, options }: SampleRequest, empty: (length: number) => Data) {
    this.#shape = shape
    this.size = valueCount(shape)
    const { unit } = shape
    this.values = empty(labels.length * this.size * (unit.kind === 'ids' ? unit.vocabulary.length : unit.dimension))
    if (given !== undefined) {
      if (given.values.data.length !== this.values.length)
        throw new MismatchError(`${given.values.data.length} given numbers`, {
          expected: `${this.values.length}, as the model has`,
        })
      this.values.set(given.values.data)
    }
    this.known = given === undefined ? new Float32Array(labels.length * this.size) : given.known.slice()
    this.#phaseOf = phasesOfValues(shape.phases)
    const free = Array.from(labels, (_, sample) => this.unknownByPhase(sample).map(({ length }) => length))
    if (free.some((values) => values.every((count) => count === 0)))
      throw new OptionError('all values of a sample are given', { expected: 'at least one to predict' })
    const steps = stepsOf(shape.phases, options.steps, free)
    this.steps = steps.reduce((sum, count) => sum + count, 0)
    this.#counts = free.map((values) => countsOf(values, steps))
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

  /** How many values of a sample are masked after a step from 0. */
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

/** Steps of each phase; none where no sample has anything to predict. Throws OptionError on a list that is not one entry per phase. */
function stepsOf(phases: readonly PhaseSteps[], asked: SampleOptions['steps'], free: readonly (readonly number[])[]): number[] {
  if (typeof asked === 'object' && asked.length !== phases.length)
    throw new OptionError(`steps for ${asked.length} phases`, { expected: `a number, or ${phases.length} of them` })
  return phases.map(({ steps }, phase) => {
    const counts = free.map((values) => values[phase]!).filter((count) => count > 0)
    if (counts.length === 0) return 0
    return (typeof asked === 'object' ? asked[phase] : asked) ?? Math.min(steps, ...counts)
  })
}

/** How many values of a sample are masked after each step. A phase in which a sample has nothing to predict passes it by. */
function countsOf(free: readonly number[], steps: readonly number[]): number[] {
  return free.flatMap((values, phase) => {
    const later = free.slice(phase + 1).reduce((sum, count) => sum + count, 0)
    const counts = values === 0 ? new Int32Array(steps[phase]!) : maskSchedule('cosine', { values, steps: steps[phase]! })
    return Array.from(counts, (masked) => masked + later)
  })
}
