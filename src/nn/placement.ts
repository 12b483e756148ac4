import { elementCount, type HostTensor, type TypedArray } from '../base/dtype.ts'
import { MismatchError } from '../base/errors.ts'
import { fromHalf } from '../base/half.ts'
import type { Placement } from '../base/placement.ts'

/** The part of a tensor that a placement describes. Throws MismatchError when the tensor has not the axes or rows for it. */
export function placedValues(tensor: HostTensor, placement: Placement): HostTensor {
  const { transpose, rows, order, add } = placement
  const turned = transpose ? transposed(tensor, placement) : tensor
  const chosen = rows === undefined && order === undefined ? turned : rowsOf(turned, placement)
  return add === undefined ? chosen : shifted(chosen, add)
}

function transposed({ dtype, shape, data }: HostTensor, { name }: Placement): HostTensor {
  if (shape.length !== 2) refuse(name, shape, 'two axes')
  const [inputs, outputs] = shape as [number, number]
  const result = data.slice()
  for (let i = 0; i < inputs; i++) for (let j = 0; j < outputs; j++) result[j * inputs + i] = data[i * outputs + j]!
  return { dtype, shape: [outputs, inputs], data: result }
}

function rowsOf({ dtype, shape, data }: HostTensor, { name, rows, order }: Placement): HostTensor {
  const [start, end] = rows ?? [0, shape[0] ?? 0]
  const count = end - start
  if (shape.length === 0 || end > shape[0]! || (order !== undefined && order.length !== count))
    refuse(name, shape, `${order?.length ?? count} rows from row ${start}`)
  const size = elementCount(shape.slice(1))
  const result = data.slice(start * size, end * size)
  for (const [i, row] of order?.entries() ?? [])
    result.set(data.subarray((start + row) * size, (start + row + 1) * size) as never, i * size)
  return { dtype, shape: shape.with(0, count), data: result }
}

function shifted({ dtype, shape, data }: HostTensor, add: number): HostTensor {
  const wide =
    dtype === 'float16' || dtype === 'bfloat16' ? Float32Array.from(data as Uint16Array, (x) => fromHalf(x, dtype)) : data
  return { dtype: 'float32', shape, data: Float32Array.from(wide as Float32Array, (x) => x + add) as TypedArray }
}

function refuse(name: string, shape: readonly number[], expected: string): never {
  throw new MismatchError(`the tensor for ${name} has shape [${shape.join(', ')}]`, { expected })
}
