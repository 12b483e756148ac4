import { DataError } from '../base/errors.ts'
import { streamByteLines } from '../platform/byte-lines.ts'
import { exists, removeFile, writeFileAtomic, writtenAt } from '../platform/files.ts'
import { holdLock } from '../platform/lock-file.ts'
import { indexBatch, type NumberedRequest, readRequests } from './batch-input.ts'
import type { BatchRequest } from './batch-line.ts'
import { type Journal, longestAnswer, openJournal } from './journal.ts'
import { type LineResult, outputLine, parseOutputLine, succeeded } from './output-line.ts'

/** How far a batch is. */
export interface BatchProgress {
  /** Lines of the input. */
  readonly total: number
  /** Lines of the output. */
  readonly done: number
  /** Of those: with an error. */
  readonly failed: number
}

export interface BatchFiles {
  /** Path of the requests, a line each. */
  readonly input: string
  /** Path of the answers, a line each in the order of the input. It appears when all are there; until then `.part` has those that are. */
  readonly output: string
  readonly onProgress?: (progress: BatchProgress) => void
}

/** A batch that goes on. */
export interface BatchRun {
  /** The same whenever the batch goes on. */
  readonly id: string
  /** Lines that have no answer yet, in order. */
  pending(signal: AbortSignal): AsyncGenerator<NumberedRequest, void, void>
  has(index: number): boolean
  /** Writes a result down, unless its line has one. */
  record(at: NumberedRequest, result: LineResult): Promise<void>
  /** Resolves when all that was recorded is on the disk. */
  sync(): Promise<void>
}

/**
 * Does what is left of a batch: checks the input, goes on where the last run ended, however it ended, and at last puts the output in its
 * place. Only one run at a time may have an output.
 */
export async function withBatch(
  { input, output, onProgress }: BatchFiles,
  signal: AbortSignal,
  work: (run: BatchRun) => Promise<void>,
): Promise<BatchProgress> {
  await using _lock = await holdLock(`${output}.lock`)
  const part = `${output}.part`
  const before = (await exists(output)) ? await finished(input, output, signal) : undefined
  if (before !== undefined) {
    await removeFile(part)
    return before
  }
  const index = await indexBatch(input, signal)
  const created = await writtenAt(input)
  let summary: BatchProgress
  {
    await using journal = await openJournal(part, index)
    const tell = () => ({ total: index.count, done: journal.done, failed: journal.failed })
    onProgress?.(tell())
    try {
      await work(runOf({ journal, input, created, onRecord: () => onProgress?.(tell()) }))
    } finally {
      await journal.sync()
    }
    await writeFileAtomic(output, inChunks(journal.inOrder()))
    summary = tell()
  }
  await removeFile(part)
  return summary
}

interface RunParts {
  readonly journal: Journal
  readonly input: string
  readonly created: number
  readonly onRecord: () => void
}

function runOf({ journal, input, created, onRecord }: RunParts): BatchRun {
  return {
    id: journal.id,
    async *pending(signal) {
      for await (const numbered of readRequests(input, signal)) if (!journal.has(numbered.index)) yield numbered
    },
    has: (index) => journal.has(index),
    async record({ index, request }, result) {
      await journal.add(index, outputLine(request, result, created), failed(result))
      onRecord()
    },
    sync: () => journal.sync(),
  }
}

function failed(result: LineResult): boolean {
  return 'error' in result || result.status >= 400
}

/**
 * Of an output that is there already: a crash may have come between its last step and the end.
 * @throws DataError when it is not the complete output of the input: nothing is overwritten.
 */
async function finished(input: string, output: string, signal: AbortSignal): Promise<BatchProgress> {
  const lines = streamByteLines(output, { maxBytes: longestAnswer })
  let [total, failures] = [0, 0]
  try {
    for await (const { request } of readRequests(input, signal)) {
      const { value } = await lines.next()
      const line = value === undefined ? undefined : parseOutputLine(value.bytes)
      if (line === undefined || !answers(line, request)) throw stranger(output, input)
      total++
      if (!succeeded(line)) failures++
    }
    if ((await lines.next()).done !== true) throw stranger(output, input)
  } finally {
    await lines.return()
  }
  return { total, done: total, failed: failures }
}

function answers(line: { readonly id: string; readonly custom_id: string }, request: BatchRequest): boolean {
  return line.id === request.id && line.custom_id === request.custom_id
}

function stranger(output: string, input: string): DataError {
  return new DataError(`'${output}' exists, and is not the output of '${input}'`, {
    fix: 'give another name to the output, or move that file away',
  })
}

const chunkBytes = 2 ** 16

async function* inChunks(lines: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array, void, void> {
  let [chunk, used] = [new Uint8Array(chunkBytes), 0]
  for await (const line of lines) {
    if (used + line.length > chunkBytes && used > 0) {
      yield chunk.subarray(0, used)
      ;[chunk, used] = [new Uint8Array(chunkBytes), 0]
    }
    if (line.length > chunkBytes) yield line
    else {
      chunk.set(line, used)
      used += line.length
    }
  }
  yield chunk.subarray(0, used)
}
