import { type ArrayOf, arrayTypes, type DType, type HostTensor, type TypedArray } from '../base/dtype.ts'
import { DTypeError, OptionError, ShapeError } from '../base/errors.ts'

export function isDType(value: unknown): value is DType {
  return typeof value === 'string' && Object.hasOwn(arrayTypes, value)
}

/** @throws OptionError when a value from outside is not an object. */
export function checkObject(value: unknown, what: string): asserts value is object {
  if (typeof value !== 'object' || value === null) throw new OptionError(`${what} is ${String(value)}`, { expected: 'an object' })
}

/** @throws DTypeError when `dtype` is none of the known ones. */
export function checkDType(dtype: unknown, what: string): asserts dtype is DType {
  if (!isDType(dtype)) throw new DTypeError(`${what} has dtype ${String(dtype)}`, { expected: Object.keys(arrayTypes).join(', ') })
}

/**
 * Number of elements of a shape that comes from outside.
 * @throws ShapeError unless it is an array of non-negative integers with a safe product.
 */
export function checkedElementCount(shape: unknown, what: string): number {
  if (!Array.isArray(shape) || !shape.every((size) => Number.isSafeInteger(size) && size >= 0)) {
    throw new ShapeError(`${what} has shape ${JSON.stringify(shape)}`, { expected: 'a list of integers ≥ 0' })
  }
  const count = shape.reduce<number>((product, size) => product * size, 1)
  if (!Number.isSafeInteger(count)) throw new ShapeError(`${what} has too many elements: ${showShape(shape)}`)
  return count
}

/** @throws DTypeError when the array is not the one that holds `dtype`; ShapeError when its length is not `count`. */
export function checkData(data: unknown, dtype: DType, count: number, what: string): asserts data is TypedArray {
  const type = arrayTypes[dtype]
  if (!(data instanceof type)) throw new DTypeError(`${what} (${dtype}) has data of another type`, { expected: `a ${type.name}` })
  if (data.length !== count) throw new ShapeError(`${what} has ${data.length} elements`, { expected: String(count) })
}

/** @throws DTypeError or ShapeError when dtype, shape and data do not agree. */
export function checkHostTensor(tensor: HostTensor, what: string): void {
  checkDType(tensor.dtype, what)
  checkData(tensor.data, tensor.dtype, checkedElementCount(tensor.shape, what), what)
}

/** A copy with memory of its own, whatever the source lies in (a pooled Buffer, shared memory). */
export function copyArray<D extends DType>(dtype: D, data: TypedArray): ArrayOf<D> {
  const copy = new arrayTypes[dtype](data.length)
  bytesOf(copy).set(bytesOf(data))
  return copy
}

/** The array itself, or a copy when it lies in shared memory, which ONNX Runtime's binding refuses. */
export function unshared<T extends TypedArray>(dtype: DType, data: T): T {
  return data.buffer instanceof ArrayBuffer ? data : (copyArray(dtype, data) as TypedArray as T)
}

export function bytesOf(data: TypedArray): Uint8Array {
  return new Uint8Array(data.buffer, data.byteOffset, data.byteLength)
}

export function showShape(shape: readonly (number | string)[]): string {
  return `[${shape.join(', ')}]`
}
