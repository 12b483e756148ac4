import { type DType, elementCount, type HostTensor, isFloat } from '../../../../src/base/dtype.ts'
import { createRng, type Rng } from '../../../../src/base/rng.ts'
import { toDimension } from '../../../../src/tensor/dimension.ts'
import { fromReference, type InputSpec, type Tensor } from '../../../../src/tensor/index.ts'

/** Values of an operand, for a dtype: floats, or integers that every integer dtype holds. */
export type Values = (rng: Rng, count: number, dtype: DType) => readonly number[]

export interface OperandSpec {
  readonly shape: readonly (number | string)[]
  readonly values?: Values
  /** Default: the dtype under test. */
  readonly dtype?: DType
}

/** One use of an op. */
export interface OpSample {
  readonly title: string
  readonly operands: Readonly<Record<string, OperandSpec>>
  /** Values of the named sizes. */
  readonly sizes?: Readonly<Record<string, number>>
  /** The result is rounded, so that differences say nothing of its gradient. */
  readonly rounded?: true
  build(operands: Readonly<Record<string, Tensor>>, dtype: DType): Tensor
}

export interface OpSamples {
  /** Every dtype that works; all others are to be refused with a DTypeError. */
  readonly dtypes: readonly DType[]
  /** 'checked' against finite differences, or why there is none. */
  readonly gradient: 'checked' | `none: ${string}`
  /** Largest accepted difference in float32, relative to max(1, |value|). Default 2e-6. */
  readonly tolerance?: number
  readonly samples: readonly OpSample[]
}

export const floats = ['float32', 'float64', 'float16'] as const
export const numbers = [...floats, 'int32', 'int64'] as const
export const allDTypes = [...numbers, 'uint8', 'bool'] as const

function fill(count: number, of: (i: number) => number): number[] {
  return Array.from({ length: count }, (_, i) => of(i))
}

/** Standard normal; integers of both signs; ones and zeros. */
export const normal: Values = (rng, count, dtype) =>
  fill(count, (i) => {
    if (dtype === 'bool') return rng.integerAt(i, 2)
    if (dtype === 'uint8') return rng.integerAt(i, 12)
    return isFloat(dtype) ? rng.normalAt(i) : rng.integerAt(i, 19) - 9
  })

/** Between 0.3 and 2.3; positive integers. */
export const positive: Values = (rng, count, dtype) =>
  fill(count, (i) => (isFloat(dtype) ? 0.3 + 2 * rng.uniformAt(i) : dtype === 'bool' ? 1 : 1 + rng.integerAt(i, 8)))

/** Of both signs and at least 0.2 from 0, so that kinks at 0 are far. */
export const awayFromZero: Values = (rng, count, dtype) =>
  fill(count, (i) => {
    const [size, sign] = [rng.uniformAt(i), rng.integerAt(i + 1000, 2) === 0 ? 1 : -1]
    if (isFloat(dtype)) return sign * (0.2 + size)
    if (dtype === 'bool' || dtype === 'uint8') return 1 + (dtype === 'uint8' ? Math.floor(size * 8) : 0)
    return sign * (1 + Math.floor(size * 8))
  })

/** All different, at least 0.25 apart. */
export const distinct: Values = (rng, count, dtype) => {
  const order = rng.permutation(count)
  if (dtype === 'bool') return fill(count, (i) => order[i]! % 2)
  return fill(count, (i) => (isFloat(dtype) ? (order[i]! - count / 2) / 4 : order[i]!))
}

/** Few different values, so that many are equal. */
export const repeated: Values = (rng, count) => fill(count, (i) => rng.integerAt(i, 2))

/** Multiples of a half, the ties of rounding among them. */
export const halves: Values = (rng, count) => fill(count, (i) => (rng.integerAt(i, 13) - 6) / 2)

export const exactly =
  (...values: readonly number[]): Values =>
  () =>
    values

/** Indices into an axis; with `negative`, counted from its end too. */
export const indices =
  (below: number, negative = false): Values =>
  (rng, count) =>
    fill(count, (i) => rng.integerAt(i, negative ? 2 * below : below) - (negative ? below : 0))

/** What a sample is fed in one dtype. */
export interface Fed {
  readonly specs: Readonly<Record<string, InputSpec>>
  readonly values: Readonly<Record<string, HostTensor>>
}

/** Concrete operands: always the same for the same title. Floats are rounded to float32, or to what the dtype holds. */
export function feed({ title, operands, sizes = {} }: OpSample, dtype: DType): Fed {
  const specs: Record<string, InputSpec> = {}
  const values: Record<string, HostTensor> = {}
  for (const [name, operand] of Object.entries(operands)) {
    const own = operand.dtype ?? dtype
    const shape = operand.shape.map((size) => (typeof size === 'number' ? size : sizes[size]!))
    const drawn = (operand.values ?? normal)(createRng(5).fold(title).fold(name), elementCount(shape), own)
    specs[name] = { dtype: own, shape: operand.shape.map(toDimension) }
    values[name] = fromReference({ shape, data: Float64Array.from(drawn, (value) => held(value, own)) }, own)
  }
  return { specs, values }
}

/** A value that the dtype holds. */
function held(value: number, dtype: DType): number {
  if (isFloat(dtype)) return Math.fround(value)
  if (!Number.isFinite(value)) return 0
  const whole = Math.trunc(value)
  return dtype === 'uint8' || dtype === 'bool' ? Math.abs(whole) % (dtype === 'bool' ? 2 : 256) : whole
}
