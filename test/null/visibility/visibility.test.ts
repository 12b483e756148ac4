import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { DataError, OptionError, ShapeError } from '../../../src/base/errors.ts'
import { type Role, roles, type SlotColumns } from '../../../src/base/model.ts'
import {
  ancestor,
  and,
  causal,
  columnOf,
  columnsRead,
  evaluate,
  everything,
  foldRule,
  not,
  type Operand,
  or,
  packed,
  type Rule,
  role,
  sees,
  setMembers,
  sink,
  streaming,
  tree,
  treeIntervals,
  twin,
  within,
} from '../../../src/base/visibility.ts'
import { anyColumns, anyRule } from './random-columns.ts'

const roleNames = Object.keys(roles) as Role[]

/** What each kind of rule means, written once more from its description. */
function meaning(rule: Rule, c: SlotColumns, q: number, k: number): boolean {
  const slot = (of: 'query' | 'key') => (of === 'query' ? q : k)
  switch (rule.kind) {
    case 'everything':
      return true
    case 'earlierGroup':
      return c.group[k]! < c.group[q]!
    case 'sameGroup':
      return c.group[k] === c.group[q]
    case 'sameSegment':
      return c.segment[k] === c.segment[q]
    case 'sameRole':
      return c.role[k] === c.role[q]
    case 'committed':
      return c.parent[k] === -1
    case 'ancestor': {
      const path = [q]
      while (c.parent[path.at(-1)!] !== -1) path.push(c.parent[path.at(-1)!]!)
      return path.includes(k)
    }
    case 'sharedSegment':
      return c.segment[slot(rule.of)] === 0
    case 'role':
      return roleNames[c.role[slot(rule.of)]!] === rule.role
    case 'within':
      return Math.abs(c.position[rule.axis]![q]! - c.position[rule.axis]![k]!) < rule.window
    case 'sink':
      return c.position[rule.axis]![k]! < rule.count
    case 'and':
      return rule.rules.every((inner) => meaning(inner, c, q, k))
    case 'or':
      return rule.rules.some((inner) => meaning(inner, c, q, k))
    case 'not':
      return !meaning(rule.rule, c, q, k)
  }
}

/** Columns of slots given as rows; what is left out is a clean slot in group = position = index. */
function slots(
  rows: readonly { role?: Role; group?: number; segment?: number; position?: number; parent?: number }[],
): SlotColumns {
  return {
    length: rows.length,
    role: Uint8Array.from(rows, (row) => roles[row.role ?? 'clean']),
    group: Int32Array.from(rows, (row, index) => row.group ?? index),
    segment: Int32Array.from(rows, (row) => row.segment ?? 0),
    position: [Int32Array.from(rows, (row, index) => row.position ?? index)],
    parent: Int32Array.from(rows, (row) => row.parent ?? -1),
  }
}

/** The mask as strings, one per query. */
function drawn(rule: Rule, columns: SlotColumns): string[] {
  const bits = evaluate(rule, columns)
  return Array.from({ length: columns.length }, (_, q) => [...bits.subarray(q * columns.length, (q + 1) * columns.length)].join(''))
}

describe('evaluate', () => {
  it('gives every rule its meaning', () => {
    fc.assert(
      fc.property(anyRule, anyColumns, (rule, columns) => {
        const bits = evaluate(rule, columns)
        for (let q = 0; q < columns.length; q++) {
          for (let k = 0; k < columns.length; k++) {
            const expected = meaning(rule, columns, q, k)
            expect(bits[q * columns.length + k]).toBe(Number(expected))
            expect(sees(rule, columns, q, k)).toBe(expected)
          }
        }
      }),
      { seed: 1, numRuns: 300 },
    )
  })

  it('is what a reading by comparisons of columns alone computes', () => {
    fc.assert(
      fc.property(anyRule, anyColumns, (rule, columns) => {
        expect(evaluateByColumns(rule, columns)).toEqual(evaluate(rule, columns))
      }),
      { seed: 2, numRuns: 300 },
    )
  })

  it('refuses columns that disagree, missing axes, broken trees and too many slots', () => {
    const columns = slots([{}, {}])
    expect(() => evaluate(causal, { ...columns, group: new Int32Array(3) })).toThrow(ShapeError)
    expect(() => evaluate(causal, { ...columns, position: [new Int32Array(1)] })).toThrow(ShapeError)
    expect(() => evaluate(within(1, 1), columns)).toThrow(ShapeError)
    expect(() => evaluate(ancestor, { ...columns, parent: Int32Array.of(1, 0) })).toThrow(DataError)
    expect(() => evaluate(causal, { ...columns, length: 1e6 })).toThrow(OptionError)
    expect(() => sees(causal, columns, 0, 2)).toThrow(OptionError)
    expect(() => sees(causal, columns, -1, 0)).toThrow(OptionError)
  })
})

describe('rules', () => {
  it('refuse bad parameters', () => {
    for (const window of [0, -1, 1.5, Number.NaN, 2 ** 31]) expect(() => within(window)).toThrow(OptionError)
    for (const count of [-1, 0.5, Number.POSITIVE_INFINITY]) expect(() => sink(count)).toThrow(OptionError)
    expect(() => within(1, -1)).toThrow(OptionError)
    expect(() => role('key', 'toString' as Role)).toThrow(OptionError)
    expect(() => role('slot' as 'key', 'clean')).toThrow(OptionError)
  })

  it('that are no rules, or are nested without end, are refused', () => {
    expect(() => evaluate({ kind: 'sometimes' } as unknown as Rule, slots([{}]))).toThrow(OptionError)
    const deep = Array.from({ length: 1e5 }).reduce<Rule>((rule) => not(rule), everything)
    expect(() => evaluate(deep, slots([{}]))).toThrow(OptionError)
  })

  it('read the columns that they name', () => {
    expect(columnsRead(everything)).toEqual([])
    expect(new Set(columnsRead(packed))).toEqual(new Set(['segment', 'group']))
    expect(new Set(columnsRead(streaming(4, 1)))).toEqual(new Set(['group', 'position0']))
    expect(new Set(columnsRead(tree))).toEqual(new Set(['enter', 'exit', 'parent', 'group']))
  })
})

describe('named rules', () => {
  it('causal is a triangle over single slots and a staircase over groups', () => {
    expect(drawn(causal, slots([{}, {}, {}]))).toEqual(['100', '110', '111'])
    expect(drawn(causal, slots([{ group: 0 }, { group: 1 }, { group: 1 }, { group: 2 }]))).toEqual(['1000', '1110', '1110', '1111'])
  })

  it('packed keeps samples apart', () => {
    expect(drawn(packed, slots([{ segment: 1 }, { segment: 1 }, { segment: 2 }, { segment: 2 }]))).toEqual([
      '1000',
      '1100',
      '0010',
      '0011',
    ])
  })

  it('twin shows noise to its own block only, and clean blocks to later ones', () => {
    const block = (name: Role) => [1, 1, 2, 2].map((group) => ({ role: name, group }))
    for (const noise of ['noisy', 'mask', 'query'] as const) {
      // condition | noise of blocks 1 1 2 2 | clean copies of blocks 1 1 2 2
      expect(drawn(twin, slots([{ role: 'condition', group: 0 }, ...block(noise), ...block('clean')]))).toEqual([
        '1'.padEnd(9, '0'),
        ...['111000000', '111000000', '100111100', '100111100'],
        ...['100001100', '100001100', '100001111', '100001111'],
      ])
    }
  })

  it('streaming keeps a window and the first positions', () => {
    expect(drawn(streaming(2, 1), slots([{}, {}, {}, {}, {}]))).toEqual(['10000', '11000', '11100', '10110', '10011'])
  })

  it('setMembers share what surrounds them, not one another', () => {
    const rows = [
      { segment: 0, group: 0 },
      { segment: 1, group: 1 },
      { segment: 1, group: 2 },
      { segment: 2, group: 1 },
      { segment: 0, group: 3 },
    ]
    expect(drawn(setMembers, slots(rows))).toEqual(['10000', '11000', '11100', '10010', '11111'])
  })

  it('tree lets drafts see their path and all that is committed', () => {
    // committed 0 1; drafts 2 and 3 after 1, 4 after 2
    const rows = [{ group: 0 }, { group: 1 }, { group: 2, parent: 1 }, { group: 2, parent: 1 }, { group: 3, parent: 2 }]
    expect(drawn(tree, slots(rows))).toEqual(['10000', '11000', '11100', '11010', '11101'])
  })
})

describe('treeIntervals', () => {
  it('nest exactly as ancestors do', () => {
    fc.assert(
      fc.property(anyColumns, (columns) => {
        const { enter, exit } = treeIntervals(columns.parent)
        const byIntervals = Array.from({ length: columns.length ** 2 }, (_, pair) => {
          const [q, k] = [Math.floor(pair / columns.length), pair % columns.length]
          return Number(enter[k]! <= enter[q]! && exit[q]! <= exit[k]!)
        })
        expect(byIntervals).toEqual([...evaluate(ancestor, columns)])
        expect([...enter].sort((a, b) => a - b)).toEqual([...columns.parent.keys()])
      }),
      { seed: 3, numRuns: 300 },
    )
  })

  it('takes chains of any length and refuses cycles', () => {
    const chain = Int32Array.from({ length: 1e5 }, (_, index) => index - 1)
    expect(treeIntervals(chain).exit.every((last) => last === 1e5 - 1)).toBe(true)
    for (const parent of [[0], [1, 0], [-2], [0.5], [-1, 5]]) expect(() => treeIntervals(parent)).toThrow(DataError)
  })
})

/** A second reading: no closures, no parents, only dense comparisons of integer columns, as a tensor program makes them. */
function evaluateByColumns(rule: Rule, columns: SlotColumns): Uint8Array {
  const size = columns.length
  const spread = (operand: Operand) =>
    Int32Array.from({ length: size * size }, (_, pair) => {
      if (operand.of === 'constant') return operand.value
      const slot = operand.of === 'query' ? Math.floor(pair / size) : pair % size
      return columnOf(columns, operand.column)[slot]! + operand.plus
    })
  return foldRule<Uint8Array>(rule, {
    constant: (value) => new Uint8Array(size * size).fill(Number(value)),
    compare(left, relation, right) {
      const b = spread(right)
      return Uint8Array.from(spread(left), (a, pair) =>
        Number(relation === 'equal' ? a === b[pair] : relation === 'less' ? a < b[pair]! : a <= b[pair]!),
      )
    },
    and: (left, right) => left.map((bit, pair) => bit & right[pair]!),
    or: (left, right) => left.map((bit, pair) => bit | right[pair]!),
    not: (term) => term.map((bit) => 1 - bit),
  })
}

describe('combinators', () => {
  it('without rules are everything and nothing', () => {
    expect(drawn(and(), slots([{}, {}]))).toEqual(['11', '11'])
    expect(drawn(or(), slots([{}, {}]))).toEqual(['00', '00'])
  })
})
