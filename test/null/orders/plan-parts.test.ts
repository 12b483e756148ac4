import { describe, expect, it } from 'vitest'
import { OptionError, ShapeError } from '../../../src/base/errors.ts'
import type { Layout } from '../../../src/base/model.ts'
import { sees } from '../../../src/base/visibility.ts'
import { cells, columnsOf, groupsOf, heldSlots, neighbours, predictionsOf, raster, stepsOf } from '../../../src/orders/index.ts'

const layout = (...shape: number[]): Layout => ({ parts: [{ shape }] })

describe('groupsOf', () => {
  it('lists the slots of each group', () => {
    const groups = groupsOf({ ...raster().plan(layout(4)), group: Int32Array.of(2, 0, 2, 5) })
    expect(groups.map(({ group, slots }) => [group, ...slots])).toEqual([
      [0, 1],
      [2, 0, 2],
      [5, 3],
    ])
  })
})

describe('predictionsOf', () => {
  // condition, 0, 1, 2 of a 2 × 2 grid
  const plan = neighbours().plan(layout(2, 2))

  it('finds who predicts each value, channel by channel', () => {
    const { values, slots } = predictionsOf(plan)
    expect([...values]).toEqual([0, 1, 2, 3])
    expect(slots.map((column) => [...column])).toEqual([
      [0, 1, -1, 3],
      [0, -1, 1, 2],
    ])
  })

  it('finds those of a step', () => {
    const steps = stepsOf(plan).map(({ predict }) => predictionsOf(plan, predict))
    expect(steps.map(({ values }) => [...values])).toEqual([[0], [1, 2], [3]])
    expect(steps[2]!.slots.map((column) => [...column])).toEqual([[3], [2]])
    expect(predictionsOf(plan, { start: 1, end: 1 }).values).toHaveLength(0)
  })

  it('sorts values as numbers', () => {
    expect([...predictionsOf(cells({ unit: 'subsample', groups: [11] }).plan(layout(22))).values]).toEqual([...Array(22).keys()])
  })
})

describe('heldSlots', () => {
  it('is what the cache holds before each step', () => {
    // 2 noisy, 2 clean, 2 noisy
    const clean = heldSlots(stepsOf(cells({ unit: 'cell', groups: 2, context: 'clean' }).plan(layout(4))))
    expect(clean.map((slots) => [...slots])).toEqual([[], [2, 3], [2, 3]])
    const text = heldSlots(stepsOf(raster().plan(layout(3))))
    expect(text.map((slots) => [...slots])).toEqual([[], [0], [0, 1], [0, 1, 2]])
  })
})

describe('columnsOf', () => {
  const plan = cells({ unit: 'cell', groups: [1, 2], context: 'clean' }).plan(layout(2, 4))

  it('keeps who sees whom', () => {
    const chosen = [3, 0, 11, 8, 5]
    const part = columnsOf(plan, chosen)
    expect(part.length).toBe(5)
    for (const [query, slot] of chosen.entries()) {
      for (const [key, other] of chosen.entries()) {
        expect(sees(plan.visibility, part, query, key)).toBe(sees(plan.visibility, plan, slot, other))
      }
    }
    expect([...part.position[1]!]).toEqual(chosen.map((slot) => plan.position[1]![slot]))
  })

  it('renames parents, and refuses to lose them', () => {
    const tree = { ...raster().plan(layout(4)), parent: Int32Array.of(-1, -1, 1, 2) }
    expect([...columnsOf(tree, [1, 2, 3]).parent]).toEqual([-1, 0, 1])
    expect(() => columnsOf(tree, [2, 3])).toThrow(OptionError)
    expect(() => columnsOf(tree, [2, 1])).toThrow(OptionError)
  })

  it('refuses slots that there are not', () => {
    for (const slot of [-1, 99, 0.5, Number.NaN]) expect(() => columnsOf(plan, [slot])).toThrow(ShapeError)
  })
})
