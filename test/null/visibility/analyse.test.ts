import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { type Role, roles } from '../../../src/base/model.ts'
import {
  analyse,
  and,
  causal,
  earlierGroup,
  evaluate,
  everything,
  not,
  or,
  packed,
  role,
  sameGroup,
  setMembers,
  sink,
  streaming,
  tree,
  twin,
  within,
} from '../../../src/base/visibility.ts'
import { anyColumns, anyRule } from './random-columns.ts'

const roleNames = Object.keys(roles) as Role[]

describe('analyse', () => {
  it('claims nothing that some plan refutes', () => {
    let claims = 0
    fc.assert(
      fc.property(anyRule, anyColumns, (rule, columns) => {
        const { cacheable, transient, reaches } = analyse(rule)
        claims += Number(cacheable) + transient.length + reaches.length
        const { length, group, position } = columns
        const bits = evaluate(rule, columns)
        for (let q = 0; q < length; q++) {
          for (let k = 0; k < length; k++) {
            if (bits[q * length + k] === 0) continue
            if (cacheable) expect(group[k]).toBeLessThanOrEqual(group[q]!)
            if (group[k]! >= group[q]!) continue
            expect(transient).not.toContain(roleNames[columns.role[k]!])
            for (const { axis, window, sinks } of reaches) {
              const [here, there] = [position[axis]![q]!, position[axis]![k]!]
              expect(here - there < window || there < sinks).toBe(true)
            }
          }
        }
      }),
      { seed: 4, numRuns: 3000 },
    )
    expect(claims).toBeGreaterThan(1000)
  })

  it('finds what the named rules allow', () => {
    for (const rule of [causal, packed, twin, streaming(3, 1), setMembers, tree, earlierGroup, sameGroup, or()]) {
      expect(analyse(rule).cacheable).toBe(true)
    }
    for (const rule of [everything, not(earlierGroup), or(causal, within(2)), role('key', 'condition'), not(causal)]) {
      expect(analyse(rule).cacheable).toBe(false)
    }
  })

  it('finds roles that no later group sees', () => {
    expect(analyse(causal).transient).toEqual([])
    expect(analyse(twin).transient).toEqual(['noisy', 'mask', 'query'])
    expect(analyse(sameGroup).transient).toEqual(roleNames)
    expect(analyse(and(causal, role('key', 'condition'))).transient).not.toContain('condition')
  })

  it('finds windows and sinks, axis by axis', () => {
    expect(analyse(causal).reaches).toEqual([])
    expect(analyse(streaming(8, 2)).reaches).toEqual([{ axis: 0, window: 8, sinks: 2 }])
    expect(analyse(and(packed, within(5, 1))).reaches).toEqual([{ axis: 1, window: 5, sinks: 0 }])
    expect(analyse(and(streaming(8, 2), within(3, 1))).reaches).toEqual([
      { axis: 0, window: 8, sinks: 2 },
      { axis: 1, window: 3, sinks: 0 },
    ])
    // what the window hides, a second way to see lets through
    expect(analyse(or(within(3), earlierGroup)).reaches).toEqual([])
    // slots of the own group are no concern of a cache
    expect(analyse(or(sameGroup, and(earlierGroup, sink(1)))).reaches).toEqual([{ axis: 0, window: 0, sinks: 1 }])
  })
})
