import { describe, expect, it } from 'vitest'
import type { Layout } from '../../../src/base/model.ts'
import { cells, groupsOf, neighbours, predictionsOf, raster, stepsOf } from '../../../src/orders/index.ts'

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
