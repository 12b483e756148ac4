import * as v from 'valibot'
import { DataError, OptionError } from '../base/errors.ts'
import { checkOptions, wholeNumber } from '../base/options.ts'
import { createRng } from '../base/rng.ts'
import { type Batch, type Batches, firstRow, shuffledItems, type WeightedBatch } from './batches.ts'
import { checkBatchSize, seedSchema } from './checked.ts'
import type { Tokens } from './token-dataset.ts'

interface Size {
  /** Slots per row. */
  readonly length: number
  /** Rows per batch. */
  readonly batch: number
}

export interface WindowOptions extends Size {
  readonly seed: number | bigint
}

const size = { length: wholeNumber(1, 2 ** 28), batch: wholeNumber(1, 2 ** 28) }
const scoringSchema = v.strictObject(size)
const schema = v.strictObject({ ...size, seed: seedSchema })

/**
 * Windows that start anywhere, drawn from the seed and the number of the step alone, so that a resumed run sees what an uninterrupted one
 * would have seen. `y` is `x` one token later.
 * Throws OptionError on other options, DataError when there are not more tokens than `length`.
 * @example
 * const { x, y } = windows(Int32Array.from(tokens), { length: 128, batch: 16, seed: 1 }).batchAt(0)
 */
export function windows(tokens: Tokens, options: WindowOptions): Batches {
  checkWindows(schema, tokens, options, 'windows')
  const { length, batch } = options
  const rng = createRng(options.seed).fold('windows')
  const places = tokens.length - length
  return { batch, length, batchAt: (step) => cutBatch(tokens, options, step, (row) => rng.integerAt(row, places)) }
}

/** Batches that go through all data, again and again. */
export interface EpochBatches<B extends Batch = Batch> extends Batches<B> {
  /** Rows until every item was seen once; a batch may span two epochs. */
  readonly rowsPerEpoch: number
}

/**
 * Windows side by side, shuffled anew in every epoch, each seen once per epoch. Tokens after the last full window are not seen.
 * Throws like `windows`.
 */
export function shuffledWindows(tokens: Tokens, options: WindowOptions): EpochBatches {
  checkWindows(schema, tokens, options, 'shuffledWindows')
  const { length, batch } = options
  const rowsPerEpoch = Math.floor((tokens.length - 1) / length)
  const itemAt = shuffledItems(createRng(options.seed).fold('shuffled windows'), rowsPerEpoch)
  return { batch, length, rowsPerEpoch, batchAt: (step) => cutBatch(tokens, options, step, (row) => itemAt(row) * length) }
}

/** A finite number of batches. */
export interface ScoringBatches extends Batches<WeightedBatch> {
  readonly steps: number
  /** Throws OptionError unless `step` is an integer in [0, steps). */
  batchAt(step: number): WeightedBatch
}

/**
 * Windows side by side in which every token but the first is predicted exactly once; what fills the last batch has weight 0 (and id 0).
 * Throws OptionError on other options, DataError on fewer than two tokens.
 */
export function scoringWindows(tokens: Tokens, options: Size): ScoringBatches {
  checkOptions(scoringSchema, options, 'scoringWindows')
  checkBatchSize(options)
  if (tokens.length < 2) throw new DataError(`${tokens.length} tokens`, { expected: 'at least 2, to predict one from another' })
  const { length, batch } = options
  const steps = Math.ceil((tokens.length - 1) / (length * batch))
  return { batch, length, steps, batchAt: (step) => scoringBatch(tokens, options, step, steps) }
}

function scoringBatch(tokens: Tokens, { length, batch }: Size, step: number, steps: number): WeightedBatch {
  const start = firstRow(step, batch) * length
  if (step >= steps) throw new OptionError(`step is ${step}`, { expected: `below ${steps}` })
  const slots = length * batch
  const rest = Math.min(slots, tokens.length - 1 - start)
  const filled = (from: number) => {
    const column = new Int32Array(slots)
    column.set(tokens.subarray(from, from + rest))
    return column
  }
  return { x: filled(start), y: filled(start + 1), weight: new Float32Array(slots).fill(1, 0, rest) }
}

function checkWindows(known: typeof schema, tokens: Tokens, options: WindowOptions, what: string): void {
  checkOptions(known, options, what)
  checkBatchSize(options)
  if (tokens.length > options.length) return
  throw new DataError(`${tokens.length} tokens make no window of ${options.length}`, {
    expected: 'more tokens than `length`',
    fix: 'use more text or a smaller length',
  })
}

function cutBatch(tokens: Tokens, { length, batch }: Size, step: number, startOf: (row: number) => number): Batch {
  const first = firstRow(step, batch)
  const x = new Int32Array(batch * length)
  const y = new Int32Array(batch * length)
  for (let row = 0; row < batch; row++) {
    const start = startOf(first + row)
    x.set(tokens.subarray(start, start + length), row * length)
    y.set(tokens.subarray(start + 1, start + 1 + length), row * length)
  }
  return { x, y }
}
