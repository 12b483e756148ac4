import { DataError, LimitError } from '../base/errors.ts'
import { type ByteLine, streamByteLines } from '../platform/byte-lines.ts'
import { sha256 } from '../platform/digest.ts'
import { type BatchRequest, parseBatchLine } from './batch-line.ts'

/** Where a line stands: from 0. */
export interface NumberedRequest {
  readonly index: number
  readonly request: BatchRequest
}

/** What stays in memory of a batch file: some 70 bytes a line. */
export interface BatchIndex {
  readonly count: number
  /** SHA-256 over all lines. */
  readonly digest: string
  /** The line of that name. */
  find(customId: string): number | undefined
}

// A Map holds 2²⁴ at most.
const mostLines = 10_000_000

/**
 * Reads a batch file once, and refuses it as a whole when one of its lines is wrong.
 * @throws DataError with the number of the line that is no JSON object of OpenAI's format, or whose `custom_id` an earlier one has.
 */
export async function indexBatch(path: string, signal?: AbortSignal): Promise<BatchIndex> {
  const lines = new Map<bigint, number>()
  let digest = ''
  for await (const { index, request } of readRequests(path, signal)) {
    if (index >= mostLines) throw new LimitError(`'${path}' has more than ${mostLines} lines`, { fix: 'split it' })
    const key = keyOf(request.custom_id)
    const earlier = lines.get(key)
    if (earlier !== undefined)
      throw new DataError(`line ${index + 1} of '${path}' has the custom_id of line ${earlier + 1}`, { expected: 'each only once' })
    lines.set(key, index)
    digest = hashOf(digest + request.id)
  }
  if (lines.size === 0) throw new DataError(`'${path}' has no lines`)
  return { count: lines.size, digest, find: (customId) => lines.get(keyOf(customId)) }
}

/** The lines of a batch file one by one. Throws DataError at the first that is wrong. */
export async function* readRequests(path: string, signal?: AbortSignal): AsyncGenerator<NumberedRequest, void, void> {
  let index = 0
  for await (const line of streamByteLines(path)) {
    signal?.throwIfAborted()
    yield { index, request: parseBatchLine(withoutMark(line), `line ${index + 1} of '${path}'`) }
    index++
  }
}

/** A byte order mark says nothing. */
function withoutMark({ bytes, offset }: ByteLine): Uint8Array {
  const marked = offset === 0 && bytes[0] === 0xef && bytes[1] === 0xbb && bytes[2] === 0xbf
  return marked ? bytes.subarray(3) : bytes
}

/** 64 bits: of ten million names, two have the same with a probability of 3 in a million. */
function keyOf(customId: string): bigint {
  // A part of a text would keep all of it in memory.
  return BigInt(`0x${hashOf(customId).slice(0, 16)}`)
}

function hashOf(text: string): string {
  return sha256([new TextEncoder().encode(text)])
}
