import { arrayTypes, bytesPerElement, type DType, type HostTensor, type TypedArray } from '../base/dtype.ts'
import { DataError, DTypeError, ShapeError } from '../base/errors.ts'
import type { StorageType } from '../base/stored-tensor.ts'
import { blockSizes, isBlockType } from './block-types.ts'
import { quoted } from './text.ts'

/** V8's longest typed array, in bytes. */
export const longestArray = 2 ** 32

/**
 * Size in bytes of a tensor; undefined when a dimension is no non-negative integer, rows are no whole blocks, or a product is not
 * exact in a number.
 */
export function byteLengthOf(type: StorageType, shape: readonly number[]): number | undefined {
  const unit = isBlockType(type) ? blockSizes[type] : { elements: 1, bytes: bytesPerElement[type] }
  const rowLength = shape.at(-1) ?? 1
  if (rowLength % unit.elements !== 0) return undefined
  let bytes = unit.bytes
  for (const [axis, dimension] of shape.entries()) {
    if (!isCount(dimension)) return undefined
    bytes *= axis === shape.length - 1 ? dimension / unit.elements : dimension
    if (!Number.isSafeInteger(bytes)) return undefined
  }
  return bytes
}

/** A non-negative integer that a number holds exactly; -0 is none. */
export function isCount(value: unknown): value is number {
  return Number.isSafeInteger(value) && !Object.is(value, -0) && (value as number) >= 0
}

/** The little-endian elements in `bytes`: a view when they are aligned, a copy otherwise. */
export function elementsOf(dtype: DType, bytes: Uint8Array): TypedArray {
  const size = bytesPerElement[dtype]
  // The constructor copies even when `bytes` is a Buffer, whose slice() would not.
  const aligned = bytes.byteOffset % size === 0 ? bytes : new Uint8Array(bytes)
  return new arrayTypes[dtype](aligned.buffer, aligned.byteOffset, aligned.byteLength / size)
}

/**
 * A view on the bytes of a tensor that is to be written.
 *
 * @throws ShapeError when the data does not fill the shape, DTypeError when it is not the array of the dtype.
 */
export function bytesOf({ dtype, shape, data }: HostTensor, name: string): Uint8Array {
  if (!Object.hasOwn(arrayTypes, dtype)) {
    throw new DTypeError(`tensor ${quoted(name)} has dtype ${quoted(String(dtype))}`, {
      expected: Object.keys(arrayTypes).join(', '),
    })
  }
  const expected = arrayTypes[dtype]
  if (!(data instanceof expected)) {
    throw new DTypeError(`the data of ${dtype} tensor ${quoted(name)} is no ${expected.name}`)
  }
  if (data.byteLength !== byteLengthOf(dtype, shape)) {
    throw new ShapeError(`tensor ${quoted(name)} of shape [${shape.join(', ')}] has ${data.length} elements`)
  }
  return new Uint8Array(data.buffer, data.byteOffset, data.byteLength)
}

/** Index of the first byte of a bool tensor that is neither 0 nor 1; -1 when there is none. */
export function firstInvalidBool(bytes: Uint8Array): number {
  return bytes.findIndex((byte) => byte > 1)
}

export function totalLength(pieces: readonly Uint8Array[]): number {
  return pieces.reduce((total, piece) => total + piece.byteLength, 0)
}

/** @throws DataError when the whole would not fit one array (4 GiB). */
export function concatenate(pieces: readonly Uint8Array[]): Uint8Array {
  const length = totalLength(pieces)
  if (length > longestArray) {
    throw new DataError(`${length} bytes do not fit one array`, { expected: `at most ${longestArray}`, fix: 'write the pieces' })
  }
  const whole = new Uint8Array(length)
  let offset = 0
  for (const piece of pieces) {
    whole.set(piece, offset)
    offset += piece.byteLength
  }
  return whole
}
