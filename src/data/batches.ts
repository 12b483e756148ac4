import { OptionError } from '../base/errors.ts'
import type { Rng } from '../base/rng.ts'

/** Rows of slots; all columns are `[batch, length]`, row-major. */
export interface Batch {
  /** Ids that feed the slots. */
  readonly x: Int32Array
  /** Ids that the slots predict. */
  readonly y: Int32Array
}

/** A batch in which not every slot counts. */
export interface WeightedBatch extends Batch {
  /** Loss weights; 0 where there is nothing to predict. */
  readonly weight: Float32Array
}

/** Batches by number: the same step gives the same batch, whatever was asked before. */
export interface Batches<B extends Batch = Batch> {
  readonly batch: number
  readonly length: number
  /** Throws OptionError unless `step` is an integer from 0 on. */
  batchAt(step: number): B
}

/** The number of the first row of a step, when rows are counted through all steps. */
export function firstRow(step: number, batch: number): number {
  const row = step * batch
  if (Number.isSafeInteger(step) && step >= 0 && Number.isSafeInteger(row + batch)) return row
  throw new OptionError(`step is ${step}`, { expected: 'an integer from 0 on' })
}

/**
 * Goes through `count` items again and again, each epoch in an order of its own: the item for row number `row`, counted from the start of
 * training. Keeps the order of one epoch.
 */
export function shuffledItems(rng: Rng, count: number): (row: number) => number {
  let epoch = -1
  let order: Int32Array = new Int32Array(0)
  return (row) => {
    const current = Math.floor(row / count)
    if (current !== epoch) {
      order = rng.fold(current).permutation(count)
      epoch = current
    }
    return order[row % count]!
  }
}
