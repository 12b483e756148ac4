import { bytesPerElement, elementCount, type HostTensor } from '../base/dtype.ts'
import { OptionError, ShapeError } from '../base/errors.ts'
import type { DeviceView, Fetch } from '../platform/device.ts'
import type { Assignment } from './assignment.ts'
import type { Tensor } from './tensor.ts'
import type { Variable } from './variable.ts'

/** The rows of each variable's first axis that a run sees; variables without an entry are seen whole. */
export type RowWindows = ReadonlyMap<Variable, { readonly start: number; readonly count: number }>

/** Throws OptionError on a window that would have no effect, or would leave the other rows without a value. */
export function checkWindows(rows: RowWindows, fed: readonly Variable[], rewritten: readonly Variable[]): void {
  for (const variable of rows.keys()) {
    if (!fed.includes(variable)) throw new OptionError(`rows of variable ${variable.label}, which the program is not fed`)
    if (rewritten.includes(variable)) {
      throw new OptionError(`rows of variable ${variable.label}, which the program assigns as a whole`, { fix: 'use assignRows()' })
    }
  }
}

/** The part of a variable's buffer that a run sees. */
export function windowOf(view: DeviceView, variable: Variable, rows: RowWindows | undefined): DeviceView {
  const window = rows?.get(variable)
  if (window === undefined) return view
  const { start, count } = window
  const [length, ...rest] = view.shape
  const inside = Number.isInteger(start) && Number.isInteger(count) && start >= 0 && count >= 1 && start + count <= (length ?? 0)
  if (!inside) {
    throw new ShapeError(`rows [${start}, ${start + count}) of variable ${variable.label}`, {
      expected: `rows inside [0, ${length})`,
    })
  }
  const rowBytes = elementCount(rest) * bytesPerElement[view.dtype]
  return { ...view, shape: [count, ...rest], byteOffset: view.byteOffset + start * rowBytes }
}

/** Where the rows of an assignment go, as its inputs say. */
export function rowsFetch(
  { variable, axis, starts, counts }: Extract<Assignment, { kind: 'rows' }>,
  feeds: Readonly<Record<string, HostTensor>>,
  rows: RowWindows | undefined,
): Fetch {
  const numbers = (leaf: Tensor) => Array.from(feeds[leaf.attributes.name as string]!.data as Iterable<number | bigint>, Number)
  const view = windowOf(variable.frontView(), variable, rows)
  return { kind: 'rows', view, axis, starts: numbers(starts), counts: numbers(counts) }
}
