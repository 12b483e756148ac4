import * as v from 'valibot'
import { DataError } from '../base/errors.ts'
import { type AppendFile, openAppendFile } from '../platform/append-file.ts'
import { streamByteLines } from '../platform/byte-lines.ts'
import { exists } from '../platform/files.ts'
import type { BatchIndex } from './batch-input.ts'
import { parseOutputLine, succeeded } from './output-line.ts'

/** Bytes: answers may be longer than any request. */
export const longestAnswer = 2 ** 30

const headSchema = v.strictObject({
  nextx_batch: v.literal(1),
  /** Of this run of the batch, from its first start to its end. */
  id: v.pipe(v.string(), v.uuid()),
  /** The input's `digest`. */
  input: v.string(),
})

/** The output of a batch while it runs: a line that names the batch, then output lines in the order in which they came. */
export interface Journal extends AsyncDisposable {
  /** The same whenever the batch goes on. */
  readonly id: string
  /** Lines of the input that have one here. */
  readonly done: number
  /** Of those: with another answer than was wished for. */
  readonly failed: number
  has(index: number): boolean
  /** Adds the output line of an input line, unless it has one. Written when it resolves; on the disk after `sync`. */
  add(index: number, line: string, failed: boolean): Promise<void>
  sync(): Promise<void>
  /** The output lines in the order of the input, with their line breaks. All must be there. */
  inOrder(): AsyncGenerator<Uint8Array, void, void>
}

/**
 * Opens the journal of a batch. After a crash at any moment it has every line that was written whole; a line that was cut short is taken
 * off.
 * @throws DataError when the file is no journal, or that of another input.
 */
export async function openJournal(path: string, index: BatchIndex): Promise<Journal> {
  const places = new Places(index.count)
  const found = await readJournal(path, index, places)
  const file = await openAppendFile(path, { keep: found.keep })
  try {
    const id = found.id ?? (await begin(file, index))
    return journalOf(file, id, places)
  } catch (error) {
    await file[Symbol.asyncDispose]()
    throw error
  }
}

async function begin(file: AppendFile, { digest }: BatchIndex): Promise<string> {
  const id = crypto.randomUUID()
  await file.append(`${JSON.stringify({ nextx_batch: 1, id, input: digest })}\n`)
  await file.sync()
  return id
}

/** Where in the journal the lines of the input are. */
class Places {
  readonly offsets: Float64Array
  /** In bytes, with the line break; 0 for a line that is not there. */
  readonly lengths: Uint32Array
  done = 0
  failed = 0

  constructor(count: number) {
    this.offsets = new Float64Array(count)
    this.lengths = new Uint32Array(count)
  }

  /** False when the line has a place. */
  put(index: number, offset: number, length: number, failed: boolean): boolean {
    if (this.lengths[index] !== 0) return false
    this.offsets[index] = offset
    this.lengths[index] = length
    this.done++
    if (failed) this.failed++
    return true
  }
}

interface Found {
  readonly id: string | undefined
  /** Bytes that are whole lines. */
  readonly keep: number
}

async function readJournal(path: string, index: BatchIndex, places: Places): Promise<Found> {
  if (!(await exists(path))) return { id: undefined, keep: 0 }
  let [id, keep]: [string | undefined, number] = [undefined, 0]
  for await (const { bytes, offset, whole } of streamByteLines(path, { maxBytes: longestAnswer })) {
    if (!whole) break
    keep = offset + bytes.length + 1
    if (id === undefined) id = readHead(bytes, path, index)
    else readLine(bytes, { offset, path, index, places })
  }
  return { id, keep }
}

function readHead(bytes: Uint8Array, path: string, { digest }: BatchIndex): string {
  const { success, output } = v.safeParse(headSchema, jsonOf(bytes))
  if (!success) throw new DataError(`'${path}' is not the journal of a batch`, { fix: 'give another name to the output' })
  if (output.input !== digest)
    throw new DataError(`'${path}' is the journal of another input`, {
      fix: 'bring the input back as it was, give another name to the output, or remove the journal to begin anew',
    })
  return output.id
}

function jsonOf(bytes: Uint8Array): unknown {
  try {
    return JSON.parse(new TextDecoder().decode(bytes))
  } catch {
    return undefined
  }
}

interface Reading {
  readonly offset: number
  readonly path: string
  readonly index: BatchIndex
  readonly places: Places
}

/** A line that is none, as a disk without power may leave it, counts as not there. */
function readLine(bytes: Uint8Array, { offset, path, index, places }: Reading): void {
  const line = parseOutputLine(bytes)
  if (line === undefined) return
  const at = index.find(line.custom_id)
  if (at === undefined) throw new DataError(`'${path}' has a line of which the input knows nothing`)
  places.put(at, offset, bytes.length + 1, !succeeded(line))
}

function journalOf(file: AppendFile, id: string, places: Places): Journal {
  const adding = new Set<number>()
  return {
    id,
    get done() {
      return places.done
    },
    get failed() {
      return places.failed
    },
    has: (index) => places.lengths[index] !== 0,
    async add(index, line, failed) {
      if (places.lengths[index] !== 0 || adding.has(index)) return
      adding.add(index)
      const offset = await file.append(`${line}\n`)
      places.put(index, offset, new TextEncoder().encode(line).length + 1, failed)
      adding.delete(index)
    },
    sync: () => file.sync(),
    inOrder: () => inOrder(file, places),
    [Symbol.asyncDispose]: () => file[Symbol.asyncDispose](),
  }
}

const readAhead = 2 ** 20 // bytes

/** Lines came nearly in the input's order, so that what is read with one has the next ones. */
async function* inOrder(file: AppendFile, { offsets, lengths }: Places): AsyncGenerator<Uint8Array, void, void> {
  let [start, block]: [number, Uint8Array] = [0, new Uint8Array(0)]
  for (const [index, length] of lengths.entries()) {
    const offset = offsets[index]!
    if (length === 0) throw new DataError(`line ${index + 1} of the input has no answer`)
    if (offset < start || offset + length > start + block.length) {
      start = offset
      block = await file.read(offset, Math.min(Math.max(length, readAhead), file.size - offset))
    }
    yield block.subarray(offset - start, offset - start + length)
  }
}
