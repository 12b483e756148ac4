import type { ByteSource } from '../base/byte-source.ts'
import { DataError } from '../base/errors.ts'

/** Bytes of a source, which is held to its promise. */
export async function readPiece(source: ByteSource, offset: number, length: number): Promise<Uint8Array> {
  const bytes = await source.read(offset, length)
  if (bytes.byteLength === length) return bytes
  throw new DataError(`'${source.name}' gave ${bytes.byteLength} bytes from byte ${offset}`, { expected: `${length}` })
}
