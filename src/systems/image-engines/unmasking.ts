import type { CodeBatch, Unit } from '../../base/codes.ts'
import { MismatchError, OptionError } from '../../base/errors.ts'
import type { Layout } from '../../base/model.ts'
import { maskSchedule } from '../../orders/index.ts'
import type { SampleRequest, SampleStep } from '../image-system.ts'
import { valueCount } from './choose-codes.ts'

export interface Unmasked {
  readonly unit: Unit
  readonly layout: Layout
  /** Steps where a request asks for none; fewer when there are fewer values. */
  readonly steps: number
}

/** A batch of samples whose values become known step by step: as many at each as a cosine says, beginning with the given ones. */
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
  readonly #counts: readonly Int32Array[]

  /** Throws OptionError when a sample has nothing to predict, or fewer values than there are to be steps. */
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
    const free = Array.from(labels, (_, sample) => this.unknown(sample).length)
    const least = Math.min(...free)
    if (least === 0) throw new OptionError('all values of a sample are given', { expected: 'at least one to predict' })
    this.steps = options.steps ?? Math.min(shape.steps, least)
    this.#counts = free.map((values) => maskSchedule('cosine', { values, steps: this.steps }))
  }

  /** The values of a sample that are not known yet, ascending. */
  unknown(sample: number): number[] {
    const own = this.known.subarray(sample * this.size, (sample + 1) * this.size)
    return [...own.keys()].filter((value) => own[value] !== 1)
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
