import { bytesPerElement, type HostTensor, type TypedArray } from '../base/dtype.ts'
import { DTypeError, OptionError, ShapeError } from '../base/errors.ts'
import type { Fetch } from './device.ts'
import { bytesOf, showShape } from './host-tensor.ts'

export type RowsFetch = Extract<Fetch, { kind: 'rows' }>

/**
 * What can be checked before a run: the axis and the ranges.
 * @throws OptionError on an axis, start or count out of range; ShapeError when starts or counts do not have one entry per index b.
 */
export function checkRows({ view, axis, starts, counts }: RowsFetch, output: string): void {
  const { shape } = view
  if (!Number.isInteger(axis) || axis < 1 || axis >= shape.length) {
    throw new OptionError(`rows of '${output}' along axis ${axis} of a view ${showShape(shape)}`, {
      expected: 'an axis after the first and within the shape',
    })
  }
  const batch = shape[0] ?? 0
  if (starts?.length !== batch || counts?.length !== batch) {
    throw new ShapeError(`rows of '${output}' have ${starts?.length} starts and ${counts?.length} counts`, {
      expected: `${batch} each`,
    })
  }
  for (let b = 0; b < batch; b++) checkRange(starts[b] ?? -1, counts[b] ?? -1, shape[axis] ?? 0, output)
}

function checkRange(start: number, count: number, size: number, output: string): void {
  if (Number.isSafeInteger(start) && Number.isSafeInteger(count) && start >= 0 && count >= 0 && start + count <= size) return
  throw new OptionError(`rows ${start} to ${start + count} of '${output}'`, { expected: `a range within 0 to ${size}` })
}

/**
 * Copies `value[b, …, 0:counts[b], …]` over `target[b, …, starts[b]:starts[b]+counts[b], …]`.
 * @throws DTypeError or ShapeError when the value does not fit the view; nothing is written then.
 */
export function writeRows(value: HostTensor, target: TypedArray, fetch: RowsFetch, output: string): void {
  checkValue(value, fetch, output)
  const { axis, starts, counts, view } = fetch
  const [from, to] = [value.shape[axis] ?? 0, view.shape[axis] ?? 0]
  const outer = product(view.shape.slice(1, axis))
  const rowBytes = product(view.shape.slice(axis + 1)) * bytesPerElement[view.dtype]
  const [source, destination] = [bytesOf(value.data), bytesOf(target)]
  for (let block = 0; block < (view.shape[0] ?? 0) * outer; block++) {
    const b = Math.floor(block / outer)
    const begin = block * from * rowBytes
    const bytes = (counts[b] ?? 0) * rowBytes
    if (bytes > 0) destination.set(source.subarray(begin, begin + bytes), (block * to + (starts[b] ?? 0)) * rowBytes)
  }
}

function checkValue(value: HostTensor, { view, axis, counts }: RowsFetch, output: string): void {
  if (value.dtype !== view.dtype) throw new DTypeError(`'${output}' is ${value.dtype}`, { expected: `${view.dtype}, as its view` })
  const fits = value.shape.length === view.shape.length && value.shape.every((size, i) => i === axis || size === view.shape[i])
  if (!fits) {
    throw new ShapeError(`'${output}' is ${showShape(value.shape)}`, {
      expected: `${showShape(view.shape)} but for axis ${axis}`,
    })
  }
  const rows = value.shape[axis] ?? 0
  for (let b = 0; b < counts.length; b++) {
    if ((counts[b] ?? 0) > rows)
      throw new ShapeError(`'${output}' has ${rows} rows`, { expected: `at least counts[${b}] = ${counts[b]}` })
  }
}

function product(sizes: readonly number[]): number {
  return sizes.reduce((total, size) => total * size, 1)
}
