/** Bytes that are read piece by piece: a file, or memory. */
export interface ByteSource {
  /** What messages call it. */
  readonly name: string
  readonly byteLength: number
  /** The absolute path, when it is a file that a driver may map into memory itself. */
  readonly path?: string
  /** Exactly `length` bytes from `offset`, in memory that may be shared with the source. Throws DataError when they cannot be read. */
  read(offset: number, length: number): Promise<Uint8Array>
}

/** Bytes that are in memory already; what is read are views. */
export function memorySource(bytes: Uint8Array, name: string): ByteSource {
  return { name, byteLength: bytes.byteLength, read: async (offset, length) => bytes.subarray(offset, offset + length) }
}
