import { OptionError } from '../base/errors.ts'

export interface RowMove {
  readonly from: number
  readonly to: number
}

/** Live rows lie in [start, start + live rows) after the moves, each of which goes to a free row. */
export interface RowWindow {
  readonly start: number
  readonly moves: readonly RowMove[]
}

/**
 * The fewest moves that make the live rows neighbours: of all windows as long as there are live rows, the one that holds most of them
 * (a sliding sum; of equals the first) stays, and those outside move into its holes (Flover, arXiv:2305.13484). Throws OptionError on rows that are not different numbers in [0, rows).
 */
export function fewestMoves(live: readonly number[], rows: number): RowWindow {
  const isLive = new Uint8Array(rows)
  for (const row of live) {
    if (!Number.isInteger(row) || row < 0 || row >= rows || isLive[row] === 1) {
      throw new OptionError(`the live row ${row}`, { expected: `different integers in [0, ${rows})` })
    }
    isLive[row] = 1
  }
  const start = fullestWindow(isLive, live.length)
  const end = start + live.length
  const outside = live.filter((row) => row < start || row >= end)
  const holes: number[] = []
  for (let row = start; row < end; row++) if (isLive[row] === 0) holes.push(row)
  return { start, moves: outside.map((from, i) => ({ from, to: holes[i]! })) }
}

function fullestWindow(isLive: Uint8Array, length: number): number {
  let inside = isLive.subarray(0, length).reduce((sum, one) => sum + one, 0)
  let [best, most] = [0, inside]
  for (let start = 1; start + length <= isLive.length; start++) {
    inside += isLive[start + length - 1]! - isLive[start - 1]!
    if (inside > most) [best, most] = [start, inside]
  }
  return length === 0 ? 0 : best
}
