import { expect, it } from 'vitest'
import { OptionError } from '../../../src/base/errors.ts'
import { fewestMoves } from '../../../src/engine/row-moves.ts'

/** Live rows as a bit mask: how many single moves to the nearest mask whose rows are neighbours, found by breadth-first search. */
function distances(rows: number): number[] {
  const all = Array.from({ length: 2 ** rows }, (_, mask) => mask)
  const distance = all.map((mask) => (/^0*1*0*$/.test(mask.toString(2)) ? 0 : Number.POSITIVE_INFINITY))
  let border = all.filter((mask) => distance[mask] === 0)
  for (let steps = 1; border.length > 0; steps++) {
    const next = new Set<number>()
    for (const mask of border)
      for (let from = 0; from < rows; from++)
        for (let to = 0; to < rows; to++) {
          if (((mask >> from) & 1) === 0 || ((mask >> to) & 1) === 1) continue
          const moved = mask - 2 ** from + 2 ** to
          if (distance[moved] === Number.POSITIVE_INFINITY) next.add(moved)
        }
    for (const mask of next) distance[mask] = steps
    border = [...next]
  }
  return distance
}

it.each([1, 2, 5, 8, 10])('makes as few moves as any way, for all sets of %i rows', (rows) => {
  const fewest = distances(rows)
  for (const [mask, expected] of fewest.entries()) {
    const live = Array.from({ length: rows }, (_, row) => row).filter((row) => (mask >> row) & 1)
    const { start, moves } = fewestMoves(live, rows)
    expect(moves.length, `rows ${live}`).toBe(expected)
    const after = new Set(live)
    for (const { from, to } of moves) {
      expect(after.has(from) && !after.has(to)).toBe(true)
      after.delete(from)
      after.add(to)
    }
    expect([...after].sort((a, b) => a - b)).toEqual(live.map((_, i) => start + i))
  }
})

it('does not mind the order, and refuses what is no set of rows', () => {
  expect(fewestMoves([5, 0, 4], 6)).toEqual({ start: 3, moves: [{ from: 0, to: 3 }] })
  for (const live of [[1, 1], [-1], [6], [0.5]]) expect(() => fewestMoves(live, 6)).toThrow(OptionError)
})
