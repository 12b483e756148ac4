import fc from 'fast-check'
import { expect, it } from 'vitest'
import { LimitError, OptionError } from '../../../src/base/errors.ts'
import { packPrompts } from '../../../src/engine/pack-prompts.ts'

/** Fewest rows, by trying every row for every prompt. */
function fewestRows(lengths: readonly number[], capacity: number, rows: readonly number[] = []): number {
  const [first, ...rest] = lengths
  if (first === undefined) return rows.length
  const into = rows.flatMap((used, row) => (used + first <= capacity ? [rows.with(row, used + first)] : []))
  return Math.min(...[...into, [...rows, first]].map((next) => fewestRows(rest, capacity, next)))
}

it('gives every prompt a place of its own, in few rows', () => {
  const given = fc
    .integer({ min: 1, max: 12 })
    .chain((capacity) => fc.tuple(fc.constant(capacity), fc.array(fc.integer({ min: 1, max: capacity }), { maxLength: 6 })))
  fc.assert(
    fc.property(given, ([capacity, lengths]) => {
      const rows = packPrompts(lengths, capacity)
      const taken = rows.flatMap((row, at) =>
        row.flatMap(({ start, length }) => Array.from({ length }, (_, i) => `${at}:${start + i}`)),
      )
      expect(new Set(taken).size).toBe(lengths.reduce((sum, length) => sum + length, 0))
      for (const row of rows) expect(Math.max(...row.map(({ start, length }) => start + length))).toBeLessThanOrEqual(capacity)
      const segments = rows.flat().sort((a, b) => a.index - b.index)
      expect(segments.map(({ length }) => length)).toEqual(lengths)
      // Best fit, longest first, needs at most 11/9 of the fewest rows and 4 (Johnson 1973).
      expect(rows.length).toBeLessThanOrEqual((11 / 9) * fewestRows(lengths, capacity) + 4)
      if (lengths.length <= 3) expect(rows.length).toBe(fewestRows(lengths, capacity))
    }),
    { seed: 2, numRuns: 300 },
  )
})

it('feeds far less than padding does', () => {
  const lengths = [512, 40, 90, 60, 130, 75, 50, 45, 110, 20, 85, 33, 64, 150, 70, 41]
  const rows = packPrompts(lengths, 512)
  expect((rows.length * 512) / (lengths.length * 512)).toBeLessThanOrEqual(0.35)
})

it('refuses prompts that fit no row', () => {
  expect(() => packPrompts([3, 9], 8)).toThrow(LimitError)
  for (const length of [0, -1, 0.5, Number.NaN]) expect(() => packPrompts([length], 8)).toThrow(OptionError)
  expect(() => packPrompts([], Number.NaN)).toThrow(OptionError)
  expect(packPrompts([], 0)).toEqual([])
})
