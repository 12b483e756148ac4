import { countValues } from '../base/codes.ts'
import { elementCount } from '../base/dtype.ts'
import { ShapeError } from '../base/errors.ts'
import type { Layout } from '../base/model.ts'

/** The values of a sample, counted through its parts, row-major. */
export interface LaidOut {
  readonly count: number
  /** One column per axis; several parts have their index as first axis. */
  readonly position: readonly Int32Array[]
}

/**
 * Counts a layout's values and places them on its axes: `[t]` for a text, `[y, x]` for a grid, `[part, y, x]` for several grids.
 * Throws ShapeError on no or too many values, and on parts of different rank.
 */
export function layOut({ parts }: Layout): LaidOut {
  const count = countValues({ parts })
  const rank = sharedRank(parts.map(({ shape }) => shape))
  const position = Array.from({ length: rank + Number(parts.length > 1) }, () => new Int32Array(count))
  let start = 0
  for (const [part, { shape }] of parts.entries()) {
    const size = elementCount(shape)
    if (parts.length > 1) position[0]!.fill(part, start, start + size)
    fillAxes(position.slice(-rank), shape, start, size)
    start += size
  }
  return { count, position }
}

function sharedRank([first = [], ...others]: readonly (readonly number[])[]): number {
  const other = others.find((shape) => shape.length !== first.length)
  if (other) throw new ShapeError(`parts of shapes [${first}] and [${other}]`, { expected: 'parts with the same number of axes' })
  return first.length
}

/** Row-major coordinates of `size` values from `start` on. */
function fillAxes(axes: readonly Int32Array[], shape: readonly number[], start: number, size: number): void {
  let stride = size
  for (const [axis, extent] of shape.entries()) {
    stride /= extent
    for (let i = 0; i < size; i++) axes[axis]![start + i] = Math.floor(i / stride) % extent
  }
}
