import { DataError } from './errors.ts'

/** Bytes that are read piece by piece: a file, or memory. */
export interface ByteSource {
  /** What messages call it. */
  readonly name: string
  readonly byteLength: number
  /** The absolute path, when it is a file that a driver may map into memory itself. */
  readonly path?: string
  /** Exactly `length` bytes from `offset`, in memory that may be shared with the source. Throws DataError when they cannot be read. */
  read(offset: number, length: number): Promise<Uint8Array>
  /** Throws DataError when something else lies at `path` by now than what `read` reads. */
  checkPath?(): Promise<void>
}

/** A part of a source. */
export interface ByteRange {
  readonly source: ByteSource
  /** From the start of the source. */
  readonly byteOffset: number
  readonly byteLength: number
}

/** Bytes that are in memory already; what is read are views. */
export function memorySource(bytes: Uint8Array, name: string): ByteSource {
  return {
    name,
    byteLength: bytes.byteLength,
    async read(offset, length) {
      checkRange(name, bytes.byteLength, offset, length)
      return bytes.subarray(offset, offset + length)
    },
  }
}

/** @throws DataError when a source of `byteLength` bytes does not have the range. */
export function checkRange(name: string, byteLength: number, offset: number, length: number): void {
  const whole = Number.isSafeInteger(offset) && Number.isSafeInteger(length)
  if (whole && offset >= 0 && length >= 0 && length <= byteLength - offset) return
  throw new DataError(`cannot read ${length} bytes from byte ${offset} of '${name}'`, { expected: `a part of its ${byteLength}` })
}
