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

/**
 * The rows of a batch under guidance: first all samples under their labels, then all without. Without guidance there is one row per sample.
 */
export class Arms {
  readonly labels: Int32Array
  readonly #guidance: SampleRequest['options']['guidance']
  readonly #count: number

  /** Throws OptionError on labels that are no class, and on guidance of a network that never saw a label dropped. */
  constructor({ classes, labelDrop }: LabelTraits, { labels, options: { guidance } }: SampleRequest) {
    checkLabels(labels, classes)
    this.#count = labels.length
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

  /** The same values for both arms of every sample. */
  doubled<T extends TypedArray>(values: T): T {
    if (this.#guidance === undefined) return values
    const both = new (values.constructor as new (length: number) => T)(2 * values.length)
    both.set(values as never)
    both.set(values as never, values.length)
    return both
  }

  /** One row per sample of what the network says, guided as step `step` of `steps` is to be. */
  combined(rows: Float32Array, step: number, steps: number, space: 'logits' | 'velocity' | 'eps' | 'hidden'): Float32Array {
    if (this.#guidance === undefined) return rows
    const half = rows.length / 2
    return combine(rows.subarray(0, half), rows.subarray(half), guidanceAt(this.#guidance, step, steps), space)
  }

  get count(): number {
    return this.#count
  }
}

function checkLabels(labels: Int32Array, classes: number): void {
  const bad = labels.find((label) => label < 0 || label > classes)
  if (bad !== undefined)
    throw new OptionError(`label ${bad}`, {
      expected: classes === 0 ? '0, as the model has no classes' : `0 to ${classes - 1}, or ${classes} for none`,
    })
}
