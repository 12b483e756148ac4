import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { DataError, ShapeError } from '../../../src/base/errors.ts'
import { type Layout, type Plan, roles, sources } from '../../../src/base/model.ts'
import { and, earlierGroup, everything, or, sameGroup, sameRole, sameSegment } from '../../../src/base/visibility.ts'
import { checkPlan, prefix, raster } from '../../../src/orders/index.ts'
import { selfDrafts } from '../../contracts/sketched-orders.ts'
import { fullPass, hash } from '../../contracts/stub-network.ts'
import { anyColumns, anyRule } from '../visibility/random-columns.ts'

const five: Layout = { parts: [{ shape: [5] }] }
const text = raster().plan(five)
const changed = (column: 'source' | 'target', slot: number, value: number): Plan => ({
  ...text,
  [column]: text[column].with(slot, value),
})

describe('checkPlan refuses', () => {
  it('values that are skipped, whether fed or not', () => {
    // value 4 is predicted last and fed to nobody; value 2 is fed to slot 3
    expect(() => checkPlan({ ...changed('target', 4, -1), weight: text.weight.with(4, 0) }, five)).toThrow(
      /value 4 is neither predicted nor given/,
    )
    expect(() => checkPlan({ ...changed('target', 2, -1), weight: text.weight.with(2, 0) }, five)).toThrow(
      /value 2 is fed by slot 3 but never predicted/,
    )
    expect(() => checkPlan(text, { parts: [{ shape: [6] }] })).toThrow(DataError)
    expect(() => checkPlan(text, { parts: [{ shape: [Number.NaN] }] })).toThrow(ShapeError)
  })

  it('values that are predicted twice', () => {
    expect(() => checkPlan(changed('target', 4, 3), five)).toThrow(/value 3 is predicted twice, by slots 3 and 4/)
  })

  it('slots that are fed with what they predict, or see who is', () => {
    expect(() => checkPlan(changed('source', 2, 2), five)).toThrow(/slot 2 predicts value 2 in group 3, yet depends on slot 2/)
    expect(() => checkPlan(changed('source', 1, 3), five)).toThrow(DataError)
    expect(() => checkPlan({ ...text, visibility: everything }, five)).toThrow(DataError)
    // one step too far: value 1 is fed to slot 2, which joins the group of slot 1
    expect(() => checkPlan({ ...text, group: text.group.with(2, 2) }, five)).toThrow(
      /slot 1 predicts value 1 in group 2, yet depends on slot 2/,
    )
  })

  it('leaks through several layers that no single one shows', () => {
    // slot 0 sees slot 3 (its segment), which sees slot 2 (its group): value 1 reaches slot 0 in the second layer only
    const plan: Plan = {
      ...text,
      segment: Int32Array.of(1, 0, 0, 1, 0),
      group: Int32Array.of(1, 2, 4, 4, 5),
      source: text.source.with(3, sources.maskToken),
      visibility: or(sameGroup, sameSegment),
    }
    expect(() => checkPlan({ ...plan, visibility: or(sameGroup, and(sameSegment, earlierGroup)) }, five)).not.toThrow()
    expect(() => checkPlan(plan, five)).toThrow(/slot 0 predicts value 0 in group 1/)
  })

  it('leaks within a channel that another channel has predicted before', () => {
    // the masks of the second block, moved one group on, see the stream slot that is fed with their first value
    const layout: Layout = { parts: [{ shape: [4] }] }
    const plan = selfDrafts(2).plan(layout)
    const group = plan.group.map((own, slot) => (plan.role[slot] === roles.mask && own === 4 ? 5 : own))
    expect(() => checkPlan(plan, layout)).not.toThrow()
    expect(() => checkPlan({ ...plan, group }, layout)).toThrow(/predicts value 2 in group 5, yet depends on/)
  })

  it('columns that are malformed', () => {
    expect(() => checkPlan({ ...text, weight: new Float32Array(4) }, five)).toThrow(ShapeError)
    expect(() => checkPlan({ ...text, group: new Int32Array(4) }, five)).toThrow(ShapeError)
    expect(() => checkPlan({ ...text, channels: [{ ...text, target: new Int32Array(2) }] }, five)).toThrow(ShapeError)
    expect(() => checkPlan({ ...text, role: text.role.with(1, 9) }, five)).toThrow(DataError)
    expect(() => checkPlan({ ...text, group: text.group.with(1, -1) }, five)).toThrow(DataError)
    expect(() => checkPlan({ ...text, parent: text.parent.with(1, 1) }, five)).toThrow(DataError)
    expect(() => checkPlan({ ...text, group: text.group.with(0, 9), parent: text.parent.with(1, 0) }, five)).toThrow(DataError)
    expect(() => checkPlan(changed('source', 1, -5), five)).toThrow(DataError)
    expect(() => checkPlan(changed('source', 1, 5), five)).toThrow(DataError)
    expect(() => checkPlan(changed('target', 1, -2), five)).toThrow(DataError)
    for (const weight of [-1, Number.NaN, Number.POSITIVE_INFINITY]) {
      expect(() => checkPlan({ ...text, weight: text.weight.with(0, weight) }, five)).toThrow(DataError)
    }
    expect(() => checkPlan({ ...prefix(2).plan(five), weight: text.weight }, five)).toThrow(/predicts nothing/)
  })

  it('slots that see nothing at all', () => {
    expect(() => checkPlan({ ...text, visibility: earlierGroup }, five)).toThrow(/slot 0 sees no slot/)
  })
})

describe('checkPlan finds a leak exactly when', () => {
  it('changing a value changes who predicts it or an earlier one', () => {
    const verdicts = { leaks: 0, sound: 0 }
    const visibility = anyRule.map((rule) => or(rule, and(sameGroup, sameSegment, sameRole)))
    fc.assert(
      fc.property(anyColumns, visibility, fc.nat(), (columns, rule, seed) => {
        const { plan, layout } = randomPlan(columns, rule, seed)
        const leaks = leaksByTrial(plan)
        verdicts[leaks ? 'leaks' : 'sound']++
        if (leaks) expect(() => checkPlan(plan, layout)).toThrow(/yet depends on/)
        else expect(() => checkPlan(plan, layout)).not.toThrow()
      }),
      { seed: 5, numRuns: 600 },
    )
    expect(Math.min(verdicts.leaks, verdicts.sound)).toBeGreaterThan(100)
  })
})

/** Some slots predict, each another value; all are fed at random, more often with early values than late ones. */
function randomPlan(
  columns: Omit<Plan, 'source' | 'target' | 'weight' | 'visibility'>,
  visibility: Plan['visibility'],
  seed: number,
) {
  const slots = [...columns.role.keys()]
  const predicting = slots.filter((slot) => slot === 0 || hash(seed, slot) % 3 > 0)
  const target = Int32Array.from(slots, (slot) => predicting.indexOf(slot))
  const source = Int32Array.from(slots, (slot) => {
    const early = predicting.filter((other) => columns.group[other]! < columns.group[slot]!)
    const word = hash(seed + 1, slot)
    if (word % 8 === 0) return target[predicting[(word >>> 3) % predicting.length]!]!
    if (word % 8 === 1) return sources.carried
    return early.length > 0 && word % 8 < 6 ? target[early[(word >>> 3) % early.length]!]! : sources.maskToken
  })
  const plan: Plan = { ...columns, source, target, weight: Float32Array.from(target, (value) => Number(value >= 0)), visibility }
  return { plan, layout: { parts: [{ shape: [predicting.length] }] } }
}

/** Changes each value, clean and noised, and looks whether any slot notices too early. */
function leaksByTrial(plan: Plan): boolean {
  const predicting = [...plan.target.keys()].filter((slot) => plan.target[slot]! >= 0)
  const known = predicting.map((slot) => plan.group[slot]!)
  const words = { values: known.map((_, value) => hash(1, value)), noise: known.map((_, value) => hash(2, value)), known }
  const before = fullPass(plan, words, plan.length)
  const noticed = (changed: typeof words) => {
    const after = fullPass(plan, changed, plan.length)
    return predicting.filter((slot) => before[slot] !== after[slot]).map((slot) => plan.group[slot]!)
  }
  return known.some((group, value) => {
    const clean = noticed({ ...words, values: words.values.with(value, 0) })
    const noised = noticed({ ...words, noise: words.noise.with(value, 0) })
    return clean.some((slotGroup) => group >= slotGroup) || noised.some((slotGroup) => group > slotGroup)
  })
}
