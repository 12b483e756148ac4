import { createReadStream } from 'node:fs'
import { DataError } from '../base/errors.ts'
import { fileError } from './file-errors.ts'
import { regularFileSize } from './files.ts'

/** A line as it lies in a file. */
export interface ByteLine {
  /** Without the line feed. */
  readonly bytes: Uint8Array
  /** Where it begins, in bytes. */
  readonly offset: number
  /** Whether a line feed ends it: the last line of a file may lack one. */
  readonly whole: boolean
}

const lineFeed = 10

/**
 * The lines of a file with where they lie, a piece of the file at a time.
 * @param options `maxBytes`: of a line, 64 MiB by default.
 * @throws DataError when the file cannot be read, is not a regular file, or has a longer line.
 */
export async function* streamByteLines(path: string, { maxBytes = 2 ** 26 } = {}): AsyncGenerator<ByteLine, void, void> {
  await regularFileSize(path)
  let [rest, offset]: [Buffer[], number] = [[], 0]
  const length = () => rest.reduce((sum, piece) => sum + piece.length, 0)
  const refuseLong = (bytes: number) => {
    if (bytes > maxBytes) throw new DataError(`a line of '${path}' is too long`, { expected: `at most ${maxBytes} bytes` })
  }
  for await (const piece of piecesOf(path)) {
    let start = 0
    for (let end = piece.indexOf(lineFeed); end >= 0; end = piece.indexOf(lineFeed, start)) {
      const bytes = rest.length === 0 ? piece.subarray(start, end) : Buffer.concat([...rest, piece.subarray(start, end)])
      refuseLong(bytes.length)
      yield { bytes, offset, whole: true }
      offset += bytes.length + 1
      start = end + 1
      rest = []
    }
    if (start < piece.length) rest.push(piece.subarray(start))
    refuseLong(length())
  }
  if (rest.length > 0) yield { bytes: Buffer.concat(rest), offset, whole: false }
}

async function* piecesOf(path: string): AsyncGenerator<Buffer, void, void> {
  try {
    yield* createReadStream(path, { highWaterMark: 2 ** 18 }) as AsyncIterable<Buffer>
  } catch (cause) {
    throw fileError('read', path, cause)
  }
}
