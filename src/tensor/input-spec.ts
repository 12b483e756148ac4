import { arrayTypes, type DType, elementCount, type HostTensor, type TypedArray } from '../base/dtype.ts'
import { DTypeError, ShapeError } from '../base/errors.ts'
import {
  type Dimension,
  evaluateDimension,
  formatShape,
  type Shape,
  type SymbolicDimension,
  symbolsOf,
  toDimension,
} from './dimension.ts'

/** An input of a program: a dtype and sizes; strings name sizes that each run may choose. */
export interface InputSpec {
  readonly dtype: DType
  readonly shape: Shape
}

type Size = number | string | SymbolicDimension

const specOf =
  (dtype: DType) =>
  (...shape: readonly Size[]): InputSpec => ({ dtype, shape: shape.map(toDimension) })

export const float32 = specOf('float32')
export const float64 = specOf('float64')
export const float16 = specOf('float16')
export const bfloat16 = specOf('bfloat16')
export const int32 = specOf('int32')
export const int64 = specOf('int64')
export const uint8 = specOf('uint8')
export const bool = specOf('bool')

/** What a run accepts for an input: a tensor, or bare values where the spec leaves at most one size open. */
export type FeedValue = HostTensor | TypedArray

/** The fed tensor, checked against its spec; binds the spec's named sizes. */
export function checkFeed(name: string, spec: InputSpec, value: FeedValue, bindings: Map<string, number>): HostTensor {
  const tensor = ArrayBuffer.isView(value) ? withShape(name, spec, value, bindings) : value
  if (!isTensorLike(tensor)) {
    throw new DTypeError(`input ${name} is fed ${describe(value)}`, {
      expected: `a ${arrayTypes[spec.dtype].name}, or { dtype, shape, data }`,
    })
  }
  if (tensor.dtype !== spec.dtype || !(tensor.data instanceof arrayTypes[spec.dtype])) {
    throw new DTypeError(
      `input ${name} is ${ArrayBuffer.isView(value) ? '' : `${tensor.dtype}, in `}a ${tensor.data.constructor.name}`,
      {
        expected: `${spec.dtype} (${arrayTypes[spec.dtype].name})`,
      },
    )
  }
  if (tensor.data.length !== elementCount(tensor.shape)) {
    throw new ShapeError(`input ${name} has ${tensor.data.length} values for shape [${tensor.shape.join(', ')}]`, {
      expected: `${elementCount(tensor.shape)}`,
    })
  }
  if (spec.dtype === 'bool') refuseOtherBits(name, tensor.data as Uint8Array)
  bindShape(name, spec.shape, tensor.shape, bindings)
  return tensor
}

function isTensorLike(value: HostTensor): boolean {
  const { shape, data } = (value ?? {}) as Partial<HostTensor>
  return ArrayBuffer.isView(data) && Array.isArray(shape) && shape.every((size) => Number.isInteger(size) && size >= 0)
}

/** What kernels make of a boolean that is neither 0 nor 1 is anybody's guess. */
function refuseOtherBits(name: string, data: Uint8Array): void {
  const odd = data.find((value) => value > 1)
  if (odd !== undefined) throw new DTypeError(`input ${name} holds ${odd}`, { expected: '0 or 1' })
}

function describe(value: unknown): string {
  return typeof value === 'object' && value !== null ? `a ${value.constructor?.name ?? 'bare object'}` : String(value)
}

/** Checks a concrete shape against a spec and binds its named sizes. */
export function bindShape(name: string, spec: Shape, shape: readonly number[], bindings: Map<string, number>): void {
  const fits = spec.length === shape.length && spec.every((dimension, axis) => bindSize(dimension, shape[axis]!, bindings))
  if (fits) return
  const sizes = [...bindings].map(([symbol, size]) => `${symbol}=${size}`).join(', ')
  throw new ShapeError(`${name} has shape [${shape.join(', ')}]`, {
    expected: `${formatShape(spec)}${sizes === '' ? '' : ` with ${sizes}`}`,
  })
}

function bindSize(dimension: Dimension, size: number, bindings: Map<string, number>): boolean {
  if (typeof dimension === 'number') return dimension === size
  const symbol = dimension.toString()
  const known = bindings.get(symbol)
  if (known === undefined) bindings.set(symbol, size)
  return known === undefined || known === size
}

/** Throws ShapeError when a size that was bound as a whole (`C+T`) is not what its names make of it. */
export function refuseContradictions(shapes: readonly Shape[], bindings: ReadonlyMap<string, number>): void {
  for (const dimension of shapes.flat()) {
    if (typeof dimension === 'number' || !symbolsOf(dimension).every((name) => bindings.has(name))) continue
    const [bound, computed] = [bindings.get(dimension.toString()), evaluateDimension(dimension, bindings)]
    if (bound !== undefined && bound !== computed)
      throw new ShapeError(`a size ${dimension} is ${bound}`, { expected: `${computed}, as its names have it` })
  }
}

function withShape(name: string, spec: InputSpec, data: TypedArray, bindings: ReadonlyMap<string, number>): HostTensor {
  const sizes = spec.shape.map((dimension) => (typeof dimension === 'number' ? dimension : bindings.get(dimension.toString())))
  const open = sizes.flatMap((size, axis) => (size === undefined ? [axis] : []))
  if (open.length > 1)
    throw new ShapeError(`input ${name} ${formatShape(spec.shape)} leaves several sizes open`, {
      fix: 'feed { dtype, shape, data }',
    })
  const rest = sizes.reduce<number>((product, size) => product * (size ?? 1), 1)
  const shape = sizes.map((size) => size ?? data.length / rest)
  if (!shape.every(Number.isInteger))
    throw new ShapeError(`input ${name} has ${data.length} values`, { expected: `a multiple of ${rest}` })
  return { dtype: spec.dtype, shape, data }
}
