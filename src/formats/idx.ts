import { FormatError } from '../base/errors.ts'
import { type Compressed, inflateExactly, inflateStart } from './inflate.ts'
import { resolveLimits } from './limits.ts'

/** An array of bytes: pictures `[count, y, x]`, or labels `[count]`. */
export interface IdxArray {
  readonly shape: readonly number[]
  /** Row-major. */
  readonly data: Uint8Array
}

export interface IdxLimits {
  /** Most bytes in the array. Default 2^30. */
  readonly maxBytes?: number
}

interface Header {
  readonly shape: readonly number[]
  /** Of the header itself. */
  readonly headBytes: number
  /** Of the array. */
  readonly byteLength: number
}

const defaultLimits = { maxBytes: 2 ** 30 }
const mostDimensions = 8
const longestHead = 4 + 4 * mostDimensions
const typeNames: ReadonlyMap<number | undefined, string> = new Map([
  [0x08, 'uint8'],
  [0x09, 'int8'],
  [0x0b, 'int16'],
  [0x0c, 'int32'],
  [0x0d, 'float32'],
  [0x0e, 'float64'],
])

/**
 * Reads an idx file of bytes, the format in which MNIST and its like come; what gzip compressed is inflated. Nothing is allocated before
 * the sizes in the header were held to the limit and to what the file can hold.
 * @throws FormatError for anything that is no whole such file, and for elements other than bytes.
 * @example
 * const { shape, data } = await readIdx(await readFile('train-images-idx3-ubyte.gz'))
 */
export async function readIdx(bytes: Uint8Array, limits: IdxLimits = {}): Promise<IdxArray> {
  const { maxBytes } = resolveLimits(defaultLimits, limits, 'idx')
  const compressed: Compressed | undefined = isGzip(bytes) ? { bytes, format: 'gzip', what: 'idx' } : undefined
  const start = compressed ? await inflateStart(compressed, longestHead) : bytes.subarray(0, longestHead)
  const { shape, headBytes, byteLength } = readHeader(start, maxBytes)
  const whole = headBytes + byteLength
  if (compressed === undefined && bytes.length !== whole)
    throw new FormatError(`idx: a file of ${bytes.length} bytes with shape [${shape.join(', ')}]`, { expected: `${whole} bytes` })
  const file = compressed ? await inflateExactly(compressed, whole) : bytes
  return { shape, data: file.slice(headBytes) }
}

function isGzip(bytes: Uint8Array): boolean {
  return bytes[0] === 0x1f && bytes[1] === 0x8b
}

/** Two zeros, the type, the number of dimensions; the sizes as big-endian integers of 32 bits. */
function readHeader(start: Uint8Array, maxBytes: number): Header {
  const [first, second, type, rank = 0] = start
  const typeName = typeNames.get(type)
  if (first !== 0 || second !== 0 || typeName === undefined)
    throw new FormatError('idx: the file does not begin as an idx file does')
  if (typeName !== 'uint8') throw new FormatError(`idx: the elements are ${typeName}`, { expected: 'uint8' })
  if (rank < 1 || rank > mostDimensions)
    throw new FormatError(`idx: an array of ${rank} dimensions`, { expected: `1 to ${mostDimensions}` })
  const headBytes = 4 + 4 * rank
  if (start.length < headBytes) throw new FormatError('idx: the file ends within its header')
  const view = new DataView(start.buffer, start.byteOffset)
  const shape = Array.from({ length: rank }, (_, axis) => view.getUint32(4 + 4 * axis))
  const byteLength = shape.reduce((product, size) => product * size, 1)
  if (byteLength > maxBytes)
    throw new FormatError(`idx: an array of shape [${shape.join(', ')}]`, { expected: `at most ${maxBytes} bytes` })
  return { shape, headBytes, byteLength }
}
