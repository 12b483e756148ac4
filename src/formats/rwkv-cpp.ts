import type { ByteSource } from '../base/byte-source.ts'
import { FormatError } from '../base/errors.ts'
import type { StorageType, StoredTensor, StoredTensors } from '../base/stored-tensor.ts'
import { resolveLimits } from './limits.ts'
import { readPiece } from './read-piece.ts'
import { byteLengthOf } from './tensor-bytes.ts'
import { quoted } from './text.ts'

/** Sizes of a model in rwkv.cpp's format, and where its tensors lie. */
export interface RwkvCppFile {
  readonly vocabularySize: number
  readonly width: number
  readonly layers: number
  /** By name; shapes have the outermost axis first, which the file has last. */
  readonly tensors: StoredTensors
}

export interface RwkvCppLimits {
  /** Most tensors. Default 100,000. */
  readonly maxTensors?: number
  /** Longest name of a tensor, in bytes. Default 256. */
  readonly maxNameBytes?: number
}

const defaultLimits = { maxTensors: 100_000, maxNameBytes: 256 }
const magic = 0x67676d66
const version = 101
const headBytes = 24
const mostDimensions = 4
const largest = 2 ** 31 - 1

const types: ReadonlyMap<number, StorageType> = new Map([
  [0, 'float32'],
  [1, 'float16'],
  [2, 'q4_0'],
  [3, 'q4_1'],
  [7, 'q5_0'],
  [8, 'q5_1'],
  [9, 'q8_0'],
])

/**
 * Reads where the tensors of a file in rwkv.cpp's format lie (version 101). Their data is not read; see `readStoredTensor`.
 * @throws FormatError for anything that is no whole such file, naming the tensor; DataError when the source cannot be read
 * @example
 * await using file = await openFileSource('rwkv.bin')
 * const { layers, tensors } = await readRwkvCpp(file)
 */
export async function readRwkvCpp(source: ByteSource, given: RwkvCppLimits = {}): Promise<RwkvCppFile> {
  const limits = resolveLimits(defaultLimits, given, 'rwkv.cpp')
  const [first, format, vocabularySize, width, layers] = await integers(source, 0, headBytes / 4, 'its head')
  if (first !== magic) throw new FormatError('rwkv.cpp: the file does not begin with its magic number')
  if (format !== version) throw new FormatError(`rwkv.cpp: the file has version ${format}`, { expected: String(version) })
  for (const size of [vocabularySize!, width!, layers!])
    if (size < 1) throw new FormatError(`rwkv.cpp: a size of ${size}`, { expected: 'sizes above 0' })
  const tensors = new Map<string, StoredTensor>()
  for (let offset = headBytes; offset < source.byteLength; ) {
    const { name, tensor } = await readTensor(source, offset, limits.maxNameBytes)
    if (tensors.has(name)) throw new FormatError(`rwkv.cpp: tensor ${quoted(name)} comes twice`)
    if (tensors.size >= limits.maxTensors)
      throw new FormatError('rwkv.cpp: too many tensors', { expected: `at most ${limits.maxTensors}` })
    tensors.set(name, tensor)
    offset = tensor.byteOffset + tensor.byteLength
  }
  if (tensors.size === 0) throw new FormatError('rwkv.cpp: the file has no tensors', { fix: 'the file may be truncated' })
  return { vocabularySize: vocabularySize!, width: width!, layers: layers!, tensors }
}

async function readTensor(
  source: ByteSource,
  offset: number,
  maxNameBytes: number,
): Promise<{ name: string; tensor: StoredTensor }> {
  const [dimensions, nameBytes, code] = (await integers(source, offset, 3, 'a tensor')) as [number, number, number]
  if (dimensions < 1 || dimensions > mostDimensions)
    throw new FormatError(`rwkv.cpp: a tensor of ${dimensions} dimensions`, { expected: `1 to ${mostDimensions}` })
  if (nameBytes < 1 || nameBytes > maxNameBytes)
    throw new FormatError(`rwkv.cpp: a name of ${nameBytes} bytes`, { expected: `1 to ${maxNameBytes}` })
  const sizes = await integers(source, offset + 12, dimensions, 'a shape')
  const nameStart = offset + 12 + 4 * dimensions
  const name = decodeName(await piece(source, nameStart, nameBytes, 'a name'))
  const type = types.get(code)
  if (type === undefined)
    throw new FormatError(`rwkv.cpp: tensor ${quoted(name)} has type ${code}`, { expected: [...types.keys()].join(', ') })
  const shape = sizes.toReversed()
  const byteLength = shape.every((size) => size >= 1 && size <= largest) ? byteLengthOf(type, shape) : undefined
  if (byteLength === undefined) throw new FormatError(`rwkv.cpp: tensor ${quoted(name)} has shape [${shape.join(', ')}]`)
  const byteOffset = nameStart + nameBytes
  if (byteLength > source.byteLength - byteOffset)
    throw new FormatError(
      `rwkv.cpp: tensor ${quoted(name)} has ${byteLength} bytes, of which the file has ${source.byteLength - byteOffset}`,
      {
        fix: 'the file may be truncated',
      },
    )
  return { name, tensor: { type, shape, source, byteOffset, byteLength } }
}

async function integers(source: ByteSource, offset: number, count: number, what: string): Promise<number[]> {
  const bytes = await piece(source, offset, 4 * count, what)
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  return Array.from({ length: count }, (_, i) => view.getInt32(4 * i, true))
}

async function piece(source: ByteSource, offset: number, length: number, what: string): Promise<Uint8Array> {
  if (length <= source.byteLength - offset) return readPiece(source, offset, length)
  throw new FormatError(`rwkv.cpp: the file ends within ${what}`, { fix: 'the file may be truncated' })
}

function decodeName(bytes: Uint8Array): string {
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes)
  } catch (cause) {
    throw new FormatError('rwkv.cpp: the name of a tensor is no UTF-8', { cause })
  }
}
