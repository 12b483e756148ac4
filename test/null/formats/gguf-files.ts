/** Pieces of GGUF files, right or wrong, as the specification describes them. */

export const valueTypes = {
  uint8: 0,
  int8: 1,
  uint16: 2,
  int16: 3,
  uint32: 4,
  int32: 5,
  float32: 6,
  bool: 7,
  string: 8,
  array: 9,
  uint64: 10,
  int64: 11,
  float64: 12,
}

export const tensorTypes = { F32: 0, F16: 1, Q4_0: 2, Q4_1: 3, Q5_0: 6, Q5_1: 7, Q8_0: 8, Q4_K: 12, Q5_K: 13, Q6_K: 14, BF16: 30 }

export function bytesOf(...pieces: readonly (Uint8Array | readonly number[])[]): Uint8Array {
  return new Uint8Array(Buffer.concat(pieces.map((piece) => Uint8Array.from(piece))))
}

/** Little-endian; negative numbers wrap. */
export function uint32(value: number): Uint8Array {
  return littleEndian(4, (view) => view.setUint32(0, value, true))
}

export function uint64(value: number | bigint): Uint8Array {
  return littleEndian(8, (view) => view.setBigUint64(0, BigInt(value), true))
}

export function float32(value: number): Uint8Array {
  return littleEndian(4, (view) => view.setFloat32(0, value, true))
}

function littleEndian(length: number, set: (view: DataView) => void): Uint8Array {
  const view = new DataView(new ArrayBuffer(length))
  set(view)
  return new Uint8Array(view.buffer)
}

export function text(value: string): Uint8Array {
  const bytes = new TextEncoder().encode(value)
  return bytesOf(uint64(bytes.length), bytes)
}

export function entry(key: string, type: number, value: Uint8Array): Uint8Array {
  return bytesOf(text(key), uint32(type), value)
}

export function arrayOf(type: number, items: readonly Uint8Array[], length: number | bigint = items.length): Uint8Array {
  return new Uint8Array(Buffer.concat([uint32(type), uint64(length), ...items]))
}

export function stringsOf(strings: readonly string[]): Uint8Array {
  return arrayOf(valueTypes.string, strings.map(text))
}

export interface TensorParts {
  readonly name?: string
  /** Innermost first, as files have it. */
  readonly dimensions?: readonly (number | bigint)[]
  readonly dimensionCount?: number
  readonly type?: number
  readonly offset?: number | bigint
}

/** Two elements of float32 unless told otherwise. */
export function tensorInfo(parts: TensorParts): Uint8Array {
  const { name = 'w', dimensions = [2], dimensionCount = dimensions.length, type = tensorTypes.F32, offset = 0 } = parts
  return bytesOf(text(name), uint32(dimensionCount), ...dimensions.map(uint64), uint32(type), uint64(offset))
}

export interface FileParts {
  readonly magic?: string
  readonly version?: number
  readonly tensorCount?: number | bigint
  readonly entryCount?: number | bigint
  readonly entries?: readonly Uint8Array[]
  readonly tensors?: readonly Uint8Array[]
  readonly alignment?: number
  readonly data?: Uint8Array
}

export function ggufFile(parts: FileParts): Uint8Array {
  const { magic = 'GGUF', version = 3, entries = [], tensors = [], alignment = 32, data = new Uint8Array(0) } = parts
  const { tensorCount = tensors.length, entryCount = entries.length } = parts
  const head = bytesOf(new TextEncoder().encode(magic), uint32(version), uint64(tensorCount), uint64(entryCount))
  const header = bytesOf(head, ...entries, ...tensors)
  return bytesOf(header, new Uint8Array(data.length === 0 ? 0 : -header.length & (alignment - 1)), data)
}
