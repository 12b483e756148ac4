import type { TypedArray } from '../../base/dtype.ts'
import { OptionError } from '../../base/errors.ts'
import { combine, guidanceAt } from '../../decode/index.ts'
import type { SampleRequest } from '../image-system.ts'

/** Labels as a network was trained on them. */
export interface LabelTraits {
  /** Classes; label `classes` stands for none. */
  readonly classes: number
  /** Share of labels that training dropped. */
  readonly labelDrop: number
}

/** A step from 0, and of how many: what schedules are asked for. */
export interface StepPlace {
  readonly step: number
  readonly steps: number
}

/**
 * The rows of a batch under guidance: first all samples under their labels, then all without. Without guidance there is one row per sample.
 */
export class Arms {
  readonly labels: Int32Array
  readonly count: number
  readonly #traits: LabelTraits
  readonly #request: Pick<SampleRequest, 'labels' | 'options'>
  readonly #guidance: SampleRequest['options']['guidance']

  /** Throws OptionError on labels that are no class, and on guidance of a network that never saw a label dropped. */
  constructor(traits: LabelTraits, request: Pick<SampleRequest, 'labels' | 'options'>) {
    const { classes, labelDrop } = traits
    const { labels, options } = request
    const { guidance } = options
    checkLabels(labels, classes)
    this.#traits = traits
    this.#request = request
    this.count = labels.length
    this.#guidance = guidance === 1 ? undefined : guidance
    if (this.#guidance !== undefined && (classes === 0 || labelDrop === 0)) {
      throw new OptionError('guidance of a model that was not trained to do without labels', {
        expected: 'classes, and a labelDrop above 0 in training',
        fix: 'leave guidance out',
      })
    }
    if (typeof guidance === 'number') guidanceAt(guidance, 0, 1)
    this.labels = this.#guidance === undefined ? labels : Int32Array.from([...labels, ...labels.map(() => classes)])
  }

  get rows(): number {
    return this.labels.length
  }

  /** The rows of some of the samples alone. */
  only(samples: readonly number[]): Arms {
    const { labels, options } = this.#request
    if (samples.length === labels.length) return this
    return new Arms(this.#traits, { labels: Int32Array.from(samples, (sample) => labels[sample]!), options })
  }

  /** The same values for both arms of every sample. */
  doubled<T extends TypedArray>(values: T): T {
    return this.#guidance === undefined ? values : twice(values)
  }

  /**
   * One row per sample of what the network says, guided as the step is to be. Of several places, each is that of an equal share of the rows: of a
   * sample, where samples take steps of their own.
   */
  combined(
    rows: Float32Array,
    places: StepPlace | readonly StepPlace[],
    space: 'logits' | 'velocity' | 'eps' | 'hidden',
  ): Float32Array {
    if (this.#guidance === undefined) return rows
    const all = [places].flat()
    const half = rows.length / 2
    const size = half / all.length
    const guided = new Float32Array(half)
    for (const [i, { step, steps }] of all.entries()) {
      const [conditional, unconditional] = [0, half].map((arm) => rows.subarray(arm + i * size, arm + (i + 1) * size))
      guided.set(combine(conditional!, unconditional!, guidanceAt(this.#guidance, step, steps), space), i * size)
    }
    return guided
  }
}

/** Values, and the same again after them. */
export function twice<T extends TypedArray>(values: T): T {
  const both = new (values.constructor as new (length: number) => T)(2 * values.length)
  both.set(values as never)
  both.set(values as never, values.length)
  return both
}

function checkLabels(labels: Int32Array, classes: number): void {
  const bad = labels.find((label) => label < 0 || label > classes)
  if (bad !== undefined)
    throw new OptionError(`label ${bad}`, {
      expected: classes === 0 ? '0, as the model has no classes' : `0 to ${classes - 1}, or ${classes} for none`,
    })
}
