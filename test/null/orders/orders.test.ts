import { describe, expect, it } from 'vitest'
import { OptionError, ShapeError } from '../../../src/base/errors.ts'
import { type Layout, roles, sources } from '../../../src/base/model.ts'
import { everything } from '../../../src/base/visibility.ts'
import { blocks, packed, prefix, raster, stepsOf } from '../../../src/orders/index.ts'

const layout = (...shapes: number[][]): Layout => ({ parts: shapes.map((shape) => ({ shape })) })
const { start } = sources

describe('raster', () => {
  it('feeds each value to the slot of the next', () => {
    const plan = raster().plan(layout([4]))
    expect(plan.length).toBe(4)
    expect([...plan.source]).toEqual([start, 0, 1, 2])
    expect([...plan.target]).toEqual([0, 1, 2, 3])
    expect([...plan.group]).toEqual([1, 2, 3, 4])
    expect([...plan.position[0]!]).toEqual([0, 1, 2, 3])
    expect([...plan.role]).toEqual(Array(4).fill(roles.clean))
    expect([...plan.weight]).toEqual([1, 1, 1, 1])
    expect([...plan.parent]).toEqual([-1, -1, -1, -1])
  })

  it('places values on the axes of their part', () => {
    const columns = (...shapes: number[][]) =>
      raster()
        .plan(layout(...shapes))
        .position.map((axis) => [...axis])
    expect(columns([2, 3])).toEqual([
      [0, 0, 0, 1, 1, 1],
      [0, 1, 2, 0, 1, 2],
    ])
    expect(columns([2, 1, 2])).toEqual([
      [0, 0, 1, 1],
      [0, 0, 0, 0],
      [0, 1, 0, 1],
    ])
    expect(columns([1, 1], [2, 1])).toEqual([
      [0, 1, 1],
      [0, 0, 1],
      [0, 0, 0],
    ])
  })

  it('refuses layouts without values, of mixed rank, or too large', () => {
    for (const shapes of [[], [[]], [[0]], [[2, -1]], [[1.5]], [[Number.NaN]], [[2], [2, 2]], [[2 ** 25]], [[2 ** 40, 2 ** 40]]]) {
      expect(() => raster().plan(layout(...shapes))).toThrow(ShapeError)
    }
  })
})

describe('blocks', () => {
  it('shifts by whole blocks, and may end in a shorter one', () => {
    const plan = blocks(2).plan(layout([5]))
    expect([...plan.source]).toEqual([start, start, 0, 1, 2])
    expect([...plan.target]).toEqual([0, 1, 2, 3, 4])
    expect([...plan.group]).toEqual([1, 1, 2, 2, 3])
  })

  it('of one are raster, and of all one step', () => {
    expect(blocks(1).plan(layout([3, 2]))).toEqual(raster().plan(layout([3, 2])))
    expect(stepsOf(blocks(9).plan(layout([4])))).toHaveLength(1)
  })

  it('refuses other sizes', () => {
    for (const size of [0, -1, 0.5, Number.NaN, Number.POSITIVE_INFINITY]) expect(() => blocks(size)).toThrow(OptionError)
  })
})

describe('prefix', () => {
  it('makes conditions of what is given and predicts the rest', () => {
    const plan = prefix(2).plan(layout([5]))
    const { condition, clean } = roles
    expect([...plan.role]).toEqual([condition, condition, condition, clean, clean])
    expect([...plan.source]).toEqual([start, 0, 1, 2, 3])
    expect([...plan.target]).toEqual([-1, -1, 2, 3, 4])
    expect([...plan.group]).toEqual([0, 0, 0, 1, 2])
    expect([...plan.weight]).toEqual([0, 0, 1, 1, 1])
  })

  it('refuses a prefix that leaves nothing, and other lengths', () => {
    expect(() => prefix(5).plan(layout([5]))).toThrow(ShapeError)
    for (const length of [-1, 0.5, Number.NaN]) expect(() => prefix(length)).toThrow(OptionError)
  })
})

describe('packed', () => {
  it('restarts positions and start tokens with every sample', () => {
    const plan = packed([3, 2]).plan(layout([5]))
    expect([...plan.source]).toEqual([start, 0, 1, start, 3])
    expect([...plan.segment]).toEqual([1, 1, 1, 2, 2])
    expect([...plan.position[0]!]).toEqual([0, 1, 2, 0, 1])
    expect([...plan.target]).toEqual([0, 1, 2, 3, 4])
  })

  it('refuses lengths that are none, and layouts that do not fit them', () => {
    for (const lengths of [[], [0], [3, -1], [1.5]]) expect(() => packed(lengths)).toThrow(OptionError)
    for (const shapes of [[[4]], [[5, 1]], [[3], [2]]]) expect(() => packed([3, 2]).plan(layout(...shapes))).toThrow(ShapeError)
  })
})

describe('stepsOf', () => {
  it('feeds, predicts and commits a text slot by slot', () => {
    const range = (from: number, to: number) => ({ start: from, end: to })
    expect(stepsOf(raster().plan(layout([2])))).toEqual([
      { feed: range(0, 1), predict: range(0, 1), commit: range(0, 1), refeed: false },
      { feed: range(1, 2), predict: range(1, 2), commit: range(1, 2), refeed: false },
    ])
    expect(stepsOf(prefix(2).plan(layout([4])))).toEqual([
      { feed: range(0, 3), predict: range(2, 3), commit: range(0, 3), refeed: false },
      { feed: range(3, 4), predict: range(3, 4), commit: range(3, 4), refeed: false },
    ])
  })

  it('refuses rules that look ahead, unless there is nothing ahead', () => {
    expect(() => stepsOf({ ...raster().plan(layout([3])), visibility: everything })).toThrow(OptionError)
    expect(stepsOf({ ...blocks(3).plan(layout([3])), visibility: everything })).toHaveLength(1)
  })

  it('refuses groups that are scattered', () => {
    expect(() => stepsOf({ ...raster().plan(layout([3])), group: Int32Array.of(1, 2, 1) })).toThrow(OptionError)
  })
})
