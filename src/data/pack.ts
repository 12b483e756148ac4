import * as v from 'valibot'
import { binPack } from '../base/bin-pack.ts'
import { DataError, MismatchError } from '../base/errors.ts'
import { checkOptions, wholeNumber } from '../base/options.ts'
import { createRng } from '../base/rng.ts'
import { firstRow, shuffledItems, type WeightedBatch } from './batches.ts'
import { checkBatchSize, seedSchema } from './checked.ts'
import type { TokenDataset } from './token-dataset.ts'
import type { EpochBatches, WindowOptions } from './windows.ts'

/** Rows of several documents each, with the columns of the packed order. */
export interface PackedBatch extends WeightedBatch {
  /** 1, 2, … per document of a row; what fills a row up is a last segment of its own, with weight 0. */
  readonly segment: Int32Array
  /** Counted from 0 in every segment. */
  readonly position: Int32Array
}

export interface PackOptions extends WindowOptions {
  /** Fed before every document, so that its first token is predicted too; default: first tokens are fed only. */
  readonly startToken?: number
}

export interface PackedBatches extends EpochBatches<PackedBatch> {
  /** Share of slots that hold documents. */
  readonly fill: number
}

/** A run of slots of one document. */
interface Pieces {
  /** Where in `tokens` the slot's document starts; slot j of a piece is fed with what stands j further. */
  readonly documentStart: Int32Array
  /** Slots of the document before this piece. */
  readonly offset: Int32Array
  readonly size: Int32Array
}

const schema = v.strictObject({
  length: wholeNumber(1, 2 ** 24),
  batch: wholeNumber(1, 2 ** 28),
  seed: seedSchema,
  startToken: v.optional(wholeNumber(0)),
})

/**
 * Packs documents into rows, longest first, each into the row that it fills best; no slot predicts across a border, and under the rule
 * `packed` none sees across one. Documents longer than a row are cut into several pieces. Rows are shuffled anew in every epoch.
 * Throws OptionError on other options, MismatchError when the start token is no id of the vocabulary, DataError when there is nothing to
 * predict.
 */
export function packDocuments(dataset: TokenDataset, options: PackOptions): PackedBatches {
  checkOptions(schema, options, 'packDocuments')
  checkBatchSize(options)
  const { length, batch, seed, startToken } = options
  if (startToken !== undefined && startToken >= dataset.vocabularySize) {
    throw new MismatchError(`the start token is ${startToken}`, { expected: `an id below ${dataset.vocabularySize}` })
  }
  const pieces = cutDocuments(dataset, length, startToken !== undefined)
  if (pieces.size.length === 0)
    throw new DataError('no document has a token to predict', { expected: 'documents of two tokens, or a start token' })
  const rows = binPack(pieces.size, length)
  const itemAt = shuffledItems(createRng(seed).fold('packed rows'), rows.length)
  const used = pieces.size.reduce((sum, size) => sum + size, 0)
  const batchAt = (step: number) => {
    const first = firstRow(step, batch)
    const filled = emptyBatch(batch * length)
    for (let row = 0; row < batch; row++)
      fillRow(filled, row * length, rows[itemAt(first + row)]!, { dataset, pieces, length, startToken })
    return filled
  }
  return { batch, length, rowsPerEpoch: rows.length, fill: used / (rows.length * length), batchAt }
}

/** A document of n tokens has n slots with a start token before it, n - 1 without. */
function cutDocuments({ starts }: TokenDataset, length: number, withStart: boolean): Pieces {
  const columns = { documentStart: [] as number[], offset: [] as number[], size: [] as number[] }
  for (let document = 0; document + 1 < starts.length; document++) {
    const slots = starts[document + 1]! - starts[document]! - (withStart ? 0 : 1)
    for (let offset = 0; offset < slots; offset += length) {
      columns.documentStart.push(starts[document]!)
      columns.offset.push(offset)
      columns.size.push(Math.min(length, slots - offset))
    }
  }
  const { documentStart, offset, size } = columns
  return { documentStart: Int32Array.from(documentStart), offset: Int32Array.from(offset), size: Int32Array.from(size) }
}

function emptyBatch(slots: number): PackedBatch {
  const column = () => new Int32Array(slots)
  return { x: column(), y: column(), weight: new Float32Array(slots), segment: column(), position: column() }
}

interface Source {
  readonly dataset: TokenDataset
  readonly pieces: Pieces
  readonly length: number
  readonly startToken: number | undefined
}

/** Writes one row of a batch, from slot `start` on. */
function fillRow(batch: PackedBatch, start: number, row: readonly number[], { dataset, pieces, length, startToken }: Source): void {
  let slot = start
  for (const [index, piece] of row.entries()) {
    const size = pieces.size[piece]!
    fillSegment(batch, slot, size, index + 1)
    batch.weight.fill(1, slot, slot + size)
    // With a start token, slot j of a document is fed with token j - 1.
    const fed = pieces.documentStart[piece]! + pieces.offset[piece]! - (startToken === undefined ? 0 : 1)
    batch.x.set(dataset.tokens.subarray(Math.max(0, fed), fed + size), slot + Math.max(0, -fed))
    batch.y.set(dataset.tokens.subarray(fed + 1, fed + 1 + size), slot)
    if (startToken !== undefined && pieces.offset[piece] === 0) batch.x[slot] = startToken
    slot += size
  }
  fillSegment(batch, slot, start + length - slot, row.length + 1)
}

function fillSegment({ segment, position }: PackedBatch, start: number, size: number, number: number): void {
  segment.fill(number, start, start + size)
  for (let i = 0; i < size; i++) position[start + i] = i
}
