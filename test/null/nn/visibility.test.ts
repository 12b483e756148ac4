import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { GraphError } from '../../../src/base/errors.ts'
import { causal, evaluate, everything, within } from '../../../src/base/visibility.ts'
import { constantColumns, type TracedColumns, traceVisibility } from '../../../src/nn/index.ts'
import { concat, input, interpret, trace } from '../../../src/tensor/index.ts'
import { anyColumns, anyRule } from '../visibility/random-columns.ts'

describe('traceVisibility', () => {
  it('computes the bits of any rule over any columns', () => {
    fc.assert(
      fc.property(anyRule, anyColumns, (rule, slots) => {
        const columns = constantColumns(slots)
        const [mask] = interpret([traceVisibility(rule, columns, columns)], { inputs: {} })
        expect(mask!.shape).toEqual([1, slots.length, slots.length])
        expect(Uint8Array.from(mask!.data)).toEqual(evaluate(rule, slots))
      }),
      { seed: 2, numRuns: 300 },
    )
  })

  it('treats each row of a batch by its own columns', () => {
    fc.assert(
      fc.property(anyRule, fc.tuple(anyColumns, anyColumns), (rule, [first, second]) => {
        const length = Math.min(first.length, second.length)
        const cut = [first, second].map((slots) => ({
          length,
          role: slots.role.slice(0, length),
          group: slots.group.slice(0, length),
          segment: slots.segment.slice(0, length),
          position: slots.position.map((axis) => axis.slice(0, length)),
          parent: slots.parent.slice(0, length),
        }))
        const [a, b] = cut.map((slots) => constantColumns(slots)) as [TracedColumns, TracedColumns]
        const names = Object.keys(a) as (keyof TracedColumns)[]
        const both = Object.fromEntries(names.map((name) => [name, concat([a[name]!, b[name]!], 0)])) as TracedColumns
        const [mask] = interpret([traceVisibility(rule, both, both)], { inputs: {} })
        const bits = mask!.shape[0] === 1 ? [...mask!.data, ...mask!.data] : [...mask!.data]
        expect(bits).toEqual(cut.flatMap((slots) => [...evaluate(rule, slots)]))
      }),
      { seed: 3, numRuns: 100 },
    )
  })

  it('keeps a program free of columns that its rule does not read', () => {
    const columns = constantColumns({
      length: 2,
      role: new Uint8Array(2),
      group: Int32Array.of(0, 1),
      segment: new Int32Array(2),
      position: [new Int32Array(2)],
      parent: new Int32Array(2).fill(-1),
    })
    const { order } = trace({}, () => ({ mask: traceVisibility(causal, columns, columns) }))
    expect(order.filter(({ op, rank }) => op.name === 'constant' && rank === 2)).toHaveLength(1)
  })

  it('names the column that is missing', () => {
    const group = { group: input('group', 'int32', [1, 3]) }
    expect(() => traceVisibility(within(2), group, group)).toThrow(/column position0 of query slots/)
    expect(() => traceVisibility(everything, {}, {})).toThrow(GraphError)
  })
})
