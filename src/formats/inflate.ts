import { FormatError } from '../base/errors.ts'

export interface Compressed {
  readonly bytes: Uint8Array
  /** `deflate` is a zlib stream, as in PNG. */
  readonly format: 'gzip' | 'deflate'
  /** What messages call it. */
  readonly what: string
}

// Deflate makes no more than 1032 bytes of one: a match of 258 bytes in codes of one bit each.
const mostInflation = 1032
const pieceBytes = 4096

/**
 * The first bytes that compressed bytes stand for: `most` of them, or fewer when there are no more.
 * @throws FormatError when the data is corrupt or cut short before.
 */
export async function inflateStart(compressed: Compressed, most: number): Promise<Uint8Array> {
  const start = new Uint8Array(most)
  let filled = 0
  for await (const piece of inflatePieces(compressed)) {
    start.set(piece.subarray(0, most - filled), filled)
    filled = Math.min(most, filled + piece.length)
    if (filled === most) break
  }
  return start.subarray(0, filled)
}

/**
 * All that compressed bytes stand for, checked against the checksum at their end. Stops at the first byte too many, so that a small file
 * cannot become a large one.
 * @throws FormatError unless that is exactly `length` bytes, and when the data is corrupt or cut short.
 */
export async function inflateExactly(compressed: Compressed, length: number): Promise<Uint8Array> {
  const { bytes, what } = compressed
  if (length > bytes.length * mostInflation)
    throw new FormatError(`${what}: ${bytes.length} compressed bytes hold less than the ${length} that the header names`)
  const inflated = new Uint8Array(length)
  let filled = 0
  for await (const piece of inflatePieces(compressed)) {
    if (filled + piece.length > length)
      throw new FormatError(`${what}: more data than the header names`, { expected: `${length} bytes` })
    inflated.set(piece, filled)
    filled += piece.length
  }
  if (filled < length)
    throw new FormatError(`${what}: ${filled} bytes of data`, { expected: `the ${length} that the header names` })
  return inflated
}

/** Pieces of at most some megabytes. */
async function* inflatePieces({ bytes, format, what }: Compressed): AsyncGenerator<Uint8Array, void, void> {
  const stream = new DecompressionStream(format)
  const writing = feed(stream.writable.getWriter(), bytes)
  // A failure reaches the reader too, which is where it is dealt with.
  writing.catch(() => undefined)
  const reader = stream.readable.getReader()
  try {
    for (let next = await reader.read(); !next.done; next = await reader.read()) yield next.value as Uint8Array
    await writing
  } catch (cause) {
    throw new FormatError(`${what}: the compressed data is corrupt or cut short`, { cause })
  } finally {
    await reader.cancel().catch(() => undefined)
  }
}

interface Writer {
  write(chunk: Uint8Array): Promise<void>
  close(): Promise<void>
}

async function feed(writer: Writer, bytes: Uint8Array): Promise<void> {
  for (let offset = 0; offset < bytes.length; offset += pieceBytes) await writer.write(bytes.slice(offset, offset + pieceBytes))
  await writer.close()
}
