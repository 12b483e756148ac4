import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { DataError } from '../../../src/base/errors.ts'
import { Heap } from '../../../src/tokenizers/heap.ts'
import { type Merged, type MergeRule, mergeSymbols } from '../../../src/tokenizers/merge.ts'

/** The definition: look for the best pair, join it, look again. */
function mergeSlowly(symbols: readonly number[], rule: MergeRule): Merged {
  const parts = symbols.map((token, start) => ({ token, start, end: start + 1 }))
  for (;;) {
    const candidates = parts.slice(0, -1).map((left, index) => {
      const right = parts[index + 1]!
      return { index, token: rule.join(left.token, right.token, left.start, right.end) }
    })
    const [best] = candidates
      .filter(({ token }) => token >= 0)
      .sort((one, other) => rule.rank(one.token) - rule.rank(other.token) || one.index - other.index)
    if (best === undefined) break
    const [left, right] = [parts[best.index]!, parts[best.index + 1]!]
    parts.splice(best.index, 2, { token: best.token, start: left.start, end: right.end })
  }
  return { tokens: parts.map(({ token }) => token), starts: parts.map(({ start }) => start) }
}

describe('mergeSymbols', () => {
  test('equals the definition, for ranks in any order and with ties', () => {
    const symbol = fc.nat({ max: 6 })
    const joins = fc.array(fc.record({ left: symbol, right: symbol, token: symbol, rank: fc.nat({ max: 3 }) }), { maxLength: 15 })
    fc.assert(
      fc.property(fc.array(symbol, { maxLength: 30 }), joins, (symbols, rows) => {
        const ranks = new Map(rows.map(({ token, rank }) => [token, rank]))
        const rule: MergeRule = {
          join: (left, right) => rows.find((row) => row.left === left && row.right === right)?.token ?? -1,
          rank: (token) => ranks.get(token) ?? 0,
        }
        expect(mergeSymbols(symbols, rule)).toEqual(mergeSlowly(symbols, rule))
      }),
      { seed: 1, numRuns: 500 },
    )
  })

  test('equals the definition when what joins depends on the places', () => {
    fc.assert(
      fc.property(
        fc.string({ unit: fc.constantFrom('a', 'b'), maxLength: 25 }),
        fc.uniqueArray(fc.string({ unit: fc.constantFrom('a', 'b'), minLength: 2, maxLength: 5 })),
        (text, pieces) => {
          const rule: MergeRule = {
            join: (_left, _right, start, end) => pieces.indexOf(text.slice(start, end)),
            rank: (token) => token % 3,
          }
          const symbols = new Array<number>(text.length).fill(-1)
          expect(mergeSymbols(symbols, rule)).toEqual(mergeSlowly(symbols, rule))
        },
      ),
      { seed: 2, numRuns: 500 },
    )
  })

  test('refuses more symbols than a queue can hold', () => {
    expect(() => mergeSymbols({ length: 2 ** 25 + 1 }, { join: () => -1, rank: () => 0 })).toThrow(DataError)
  })
})

test('a heap gives its items in order', () => {
  fc.assert(
    fc.property(fc.array(fc.integer()), (items) => {
      const heap = new Heap<number>((left, right) => left < right)
      for (const item of items) heap.push(item)
      expect(items.map(() => heap.pop())).toEqual([...items].sort((left, right) => left - right))
      expect(heap.pop()).toBeUndefined()
    }),
    { seed: 3 },
  )
})
