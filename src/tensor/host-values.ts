import { arrayTypes, type DType, type HostTensor, type TypedArray } from '../base/dtype.ts'
import { DTypeError } from '../base/errors.ts'
import { fromHalf, toHalf } from '../base/half.ts'

const ranges: Readonly<Partial<Record<DType, readonly [number, number]>>> = {
  int32: [-(2 ** 31), 2 ** 31 - 1],
  int64: [Number.MIN_SAFE_INTEGER, Number.MAX_SAFE_INTEGER],
  uint8: [0, 255],
  bool: [0, 1],
}

/** Throws DTypeError when an integer dtype or bool does not hold the number exactly. */
export function checkHolds(dtype: DType, value: number): void {
  const range = ranges[dtype]
  if (range === undefined || (Number.isInteger(value) && value >= range[0] && value <= range[1])) return
  throw new DTypeError(`${dtype} does not hold ${value}`, { expected: `an integer in [${range[0]}, ${range[1]}]` })
}

/** Numbers as the array that carries a dtype. Throws DTypeError when the dtype does not hold one of them. */
export function fromNumbers(values: ArrayLike<number>, dtype: DType): TypedArray {
  for (let i = 0; i < values.length; i++) checkHolds(dtype, values[i]!)
  if (dtype === 'int64') return BigInt64Array.from(values, BigInt)
  if (dtype === 'float16' || dtype === 'bfloat16') return Uint16Array.from(values, (value) => toHalf(value, dtype))
  const array = new arrayTypes[dtype](values.length) as Exclude<TypedArray, BigInt64Array>
  array.set(values)
  return array
}

/** The values of a tensor as doubles. */
export function toNumbers({ dtype, data }: Pick<HostTensor, 'dtype' | 'data'>): Float64Array {
  if (dtype === 'float16' || dtype === 'bfloat16') return Float64Array.from(data as Uint16Array, (bits) => fromHalf(bits, dtype))
  return Float64Array.from(data as Iterable<number | bigint> as Iterable<number>, Number)
}
