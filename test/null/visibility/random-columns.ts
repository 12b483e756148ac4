import fc from 'fast-check'
import { type Role, roles, type SlotColumns } from '../../../src/base/model.ts'
import {
  ancestor,
  and,
  committed,
  earlierGroup,
  everything,
  not,
  or,
  type Rule,
  role,
  sameGroup,
  sameRole,
  sameSegment,
  sharedSegment,
  sink,
  within,
} from '../../../src/base/visibility.ts'

const roleNames = Object.keys(roles) as Role[]
const side = fc.constantFrom('query' as const, 'key' as const)

/** Any rule of any depth up to 3, over two position axes. */
export const anyRule: fc.Arbitrary<Rule> = fc.letrec<{ rule: Rule }>((tie) => ({
  rule: fc.oneof(
    { maxDepth: 3, withCrossShrink: true },
    fc.constantFrom(everything, earlierGroup, sameGroup, sameSegment, sameRole, ancestor, committed, and(), or()),
    side.map(sharedSegment),
    fc.tuple(side, fc.constantFrom(...roleNames)).map(([of, name]) => role(of, name)),
    fc.tuple(fc.integer({ min: 1, max: 4 }), fc.nat(1)).map(([window, axis]) => within(window, axis)),
    fc.tuple(fc.nat(3), fc.nat(1)).map(([count, axis]) => sink(count, axis)),
    tie('rule').map(not),
    fc.array(tie('rule'), { maxLength: 3 }).map((rules) => and(...rules)),
    fc.array(tie('rule'), { maxLength: 3 }).map((rules) => or(...rules)),
  ),
})).rule

/** Columns of 1 to 9 slots with random values; parents come earlier and are in no later group. */
export const anyColumns: fc.Arbitrary<SlotColumns> = fc
  .array(
    fc.record({
      role: fc.nat(5),
      group: fc.integer({ min: 0, max: 4 }),
      segment: fc.nat(2),
      y: fc.nat(6),
      x: fc.nat(6),
      parent: fc.nat(20),
    }),
    { minLength: 1, maxLength: 9 },
  )
  .map((slots) => {
    const group = Int32Array.from(slots, (slot) => slot.group)
    return {
      length: slots.length,
      role: Uint8Array.from(slots, (slot) => slot.role),
      group,
      segment: Int32Array.from(slots, (slot) => slot.segment),
      position: [Int32Array.from(slots, (slot) => slot.y), Int32Array.from(slots, (slot) => slot.x)],
      parent: Int32Array.from(slots, ({ parent }, index) => (parent < index && group[parent]! <= group[index]! ? parent : -1)),
    }
  })
