import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { OptionError, ShapeError } from '../../../src/base/errors.ts'
import { type Layout, type Plan, roles, sources } from '../../../src/base/model.ts'
import {
  type CellOptions,
  cells,
  checkPlan,
  masked,
  neighbours,
  type Order,
  oneShot,
  permuted,
  scales,
  stepsOf,
  twoStreams,
} from '../../../src/orders/index.ts'

const layout = (...shapes: (readonly number[])[]): Layout => ({ parts: shapes.map((shape) => ({ shape })) })
const { start, carried, maskToken, query } = sources
const size = fc.integer({ min: 1, max: 4 })
const grid = fc.array(size, { minLength: 1, maxLength: 3 })
const settings = { seed: 7, numRuns: 60 }
const product = (shape: readonly number[]) => shape.reduce((total, extent) => total * extent, 1)
/** Values by the group that predicts them, in feeding order. */
const predicted = ({ group, target }: Plan) =>
  [...new Set(group)].map((own) => [...target].filter((value, slot) => value >= 0 && group[slot] === own))
const checked = (order: Order, over: Layout) => {
  const plan = order.plan(over)
  checkPlan(plan, over)
  return plan
}

describe('scales', () => {
  it('feed the start to the first part and carried features to the others', () => {
    const plan = scales().plan(layout([1, 1], [1, 2], [2, 2]))
    expect([...plan.source]).toEqual([start, carried, carried, carried, carried, carried, carried])
    expect([...plan.group]).toEqual([1, 2, 2, 3, 3, 3, 3])
    expect(plan.position.map((axis) => [...axis])).toEqual([
      [0, 1, 1, 2, 2, 2, 2],
      [0, 0, 0, 0, 0, 1, 1],
      [0, 0, 1, 0, 1, 0, 1],
    ])
  })

  it('have a scale axis even when there is one scale only', () => {
    expect(scales().plan(layout([1, 2])).position).toHaveLength(3)
  })

  it('predict one part per step, whatever the schedule', () => {
    const schedule = fc.uniqueArray(fc.integer({ min: 1, max: 6 }), { minLength: 1, maxLength: 4 })
    fc.assert(
      fc.property(schedule, size, (sizes, height) => {
        const shapes = sizes.sort((a, b) => a - b).map((width) => [height, width])
        const plan = checked(scales(), layout(...shapes))
        expect(predicted(plan).map((values) => values.length)).toEqual(shapes.map(product))
        expect(stepsOf(plan)).toHaveLength(shapes.length)
      }),
      settings,
    )
  })

  it('refuse schedules that do not grow', () => {
    for (const shapes of [
      [
        [2, 2],
        [1, 1],
      ],
      [
        [2, 2],
        [2, 2],
      ],
      [
        [1, 3],
        [2, 2],
      ],
      [[1, 1], [3]],
    ]) {
      expect(() => scales().plan(layout(...shapes))).toThrow(ShapeError)
    }
  })
})

describe('neighbours', () => {
  it('predict to the right and below', () => {
    // 0 1 2
    // 3 4 5
    const plan = neighbours().plan(layout([2, 3]))
    expect([...plan.source]).toEqual([start, 0, 1, 3, 2, 4])
    expect([...plan.group]).toEqual([0, 1, 2, 2, 3, 3])
    expect([...plan.target]).toEqual([0, 1, 2, 4, -1, 5])
    expect(plan.channels!.map(({ target }) => [...target])).toEqual([[0, 3, 4, -1, 5, -1]])
    expect([...plan.weight]).toEqual([0.5, 1, 1, 0.5, 0, 0.5])
    expect(plan.position.map((axis) => [...axis])).toEqual([
      [-1, 0, 0, 1, 0, 1],
      [-1, 0, 1, 0, 2, 1],
    ])
    expect([...plan.role]).toEqual([roles.condition, ...Array(5).fill(roles.clean)])
  })

  it('take a step per diagonal, and share every value out among its parents', () => {
    fc.assert(
      fc.property(grid, (shape) => {
        const plan = checked(neighbours(), layout(shape))
        // n + m − 1 diagonals of an n × m grid, in any number of dimensions
        expect(stepsOf(plan)).toHaveLength(shape.reduce((sum, extent) => sum + extent - 1, 1))
        expect(plan.channels ?? []).toHaveLength(shape.length - 1)
        const channels = [plan, ...(plan.channels ?? [])]
        for (let value = 0; value < product(shape); value++) {
          const parents = value === 0 ? shape.length : coordinates(value, shape).filter((at) => at > 0).length
          const weights = channels.flatMap(({ target, weight }) => [...weight].filter((_, slot) => target[slot] === value))
          expect(weights).toHaveLength(parents)
          expect(weights.reduce((sum, weight) => sum + weight, 0)).toBeCloseTo(1, 6)
        }
        for (const [index, { target }] of channels.entries()) checkNeighbours(plan, target, shape, shape.length - 1 - index)
      }),
      settings,
    )
  })

  it('refuse several parts', () => {
    expect(() => neighbours().plan(layout([1, 1], [2, 2]))).toThrow(ShapeError)
  })
})

/** Every target lies one step further on `axis` than what feeds its slot. */
function checkNeighbours(plan: Plan, target: Int32Array, shape: readonly number[], axis: number): void {
  for (let slot = 0; slot < plan.length; slot++) {
    if (target[slot]! < 0 || plan.source[slot] === start) continue
    const expected = coordinates(plan.source[slot]!, shape).map((at, other) => at + Number(other === axis))
    expect(coordinates(target[slot]!, shape)).toEqual(expected)
  }
}

function coordinates(value: number, shape: readonly number[]): number[] {
  return shape.map((extent, axis) => Math.floor(value / product(shape.slice(axis + 1))) % extent)
}

describe('masked', () => {
  it('predicts exactly what is not given, in one step', () => {
    fc.assert(
      fc.property(fc.array(fc.boolean(), { minLength: 1, maxLength: 12 }), fc.boolean(), (known, first) => {
        const some = known.with(0, first)
        if (!some.includes(false)) return
        const plan = checked(masked({ known: some }), layout([some.length]))
        expect([...plan.target]).toEqual(some.map((given, value) => (given ? -1 : value)))
        expect([...plan.source]).toEqual(some.map((given, value) => (given ? value : maskToken)))
        expect([...plan.role]).toEqual(some.map((given) => (given ? roles.clean : roles.mask)))
        expect([...plan.weight]).toEqual(some.map((given) => Number(!given)))
        const end = some.length
        expect(stepsOf(plan)).toEqual([
          {
            feed: { start: 0, end },
            predict: { start: some.indexOf(false), end: some.lastIndexOf(false) + 1 },
            commit: { start: end, end },
            refeed: false,
          },
        ])
      }),
      settings,
    )
  })

  it('of nothing given is the default', () => {
    expect(masked().plan(layout([2, 2]))).toEqual(masked({ known: [0, 0, 0, 0] }).plan(layout([2, 2])))
  })

  it('refuses what leaves nothing to predict, or does not fit', () => {
    expect(() => masked({ known: [1, 1] }).plan(layout([2]))).toThrow(/all values are given/)
    expect(() => masked({ known: [1, 0] }).plan(layout([3]))).toThrow(ShapeError)
    expect(() => masked({ known: [0.5, 0] })).toThrow(OptionError)
    expect(() => masked({ known: [0], mask: 1 } as object)).toThrow(OptionError)
  })
})

describe('oneShot', () => {
  it('asks for all values at once', () => {
    const plan = checked(oneShot(), layout([2, 2]))
    expect([...plan.source]).toEqual(Array(4).fill(query))
    expect([...plan.role]).toEqual(Array(4).fill(roles.query))
    expect([...plan.target]).toEqual([0, 1, 2, 3])
    expect(stepsOf(plan)).toHaveLength(1)
  })
})

describe('permuted', () => {
  it('feeds each value to the slot of the next in the permutation', () => {
    const plan = permuted([3, 1, 0, 2]).plan(layout([2, 2]))
    expect([...plan.source]).toEqual([start, 3, 1, 0])
    expect([...plan.target]).toEqual([3, 1, 0, 2])
    expect(plan.position.map((axis) => [...axis])).toEqual([
      [1, 0, 0, 1],
      [1, 1, 0, 0],
    ])
  })

  it('predicts in that order, in one stream and in two', () => {
    const permutation = fc
      .integer({ min: 1, max: 8 })
      .chain((count) => fc.shuffledSubarray([...Array(count).keys()], { minLength: count }))
    fc.assert(
      fc.property(permutation, (order) => {
        for (const subject of [permuted(order), twoStreams(order)]) {
          const plan = checked(subject, layout([order.length]))
          expect(predicted(plan).flat()).toEqual(order)
          expect(stepsOf(plan)).toHaveLength(order.length)
        }
      }),
      settings,
    )
  })

  it('refuses what is no permutation', () => {
    for (const order of [[], [1], [0, 0], [0, 2], [-1, 0], [0.5, 1], [Number.NaN, 0]]) {
      expect(() => permuted(order)).toThrow(OptionError)
      expect(() => twoStreams(order)).toThrow(OptionError)
    }
    expect(() => permuted([1, 0]).plan(layout([3]))).toThrow(ShapeError)
  })
})

describe('cells', () => {
  const groupsOn = (options: CellOptions, ...shapes: number[][]) => predicted(cells(options).plan(layout(...shapes)))

  it('divides a grid', () => {
    // 0 1 2 3
    // 4 5 6 7
    expect(groupsOn({ unit: 'cell', groups: [1, 2] }, [2, 4])).toEqual([
      [0, 1, 4, 5],
      [2, 3, 6, 7],
    ])
    expect(groupsOn({ unit: 'cell', groups: 4 }, [2, 4])).toEqual([
      [0, 1],
      [2, 3],
      [4, 5],
      [6, 7],
    ])
    expect(groupsOn({ unit: 'subsample', groups: 4 }, [2, 4])).toEqual([
      [0, 2],
      [1, 3],
      [4, 6],
      [5, 7],
    ])
    expect(groupsOn({ unit: 'subsample', groups: [1, 2] }, [2, 4])).toEqual([
      [0, 2, 4, 6],
      [1, 3, 5, 7],
    ])
    expect(groupsOn({ unit: 'token' }, [2, 2])).toEqual([[0], [1], [2], [3]])
    expect(groupsOn({ unit: 'image', groups: 1 }, [2, 2])).toEqual([[0, 1, 2, 3]])
    expect(groupsOn({ unit: 'scale', groups: 2 }, [1, 1], [2, 2])).toEqual([[0], [1, 2, 3, 4]])
  })

  it('feeds noised values at their own positions', () => {
    const plan = cells({ unit: 'subsample', groups: [1, 2] }).plan(layout([1, 4]))
    expect([...plan.source]).toEqual([0, 2, 1, 3])
    expect([...plan.target]).toEqual([0, 2, 1, 3])
    expect([...plan.position[1]!]).toEqual([0, 2, 1, 3])
    expect([...plan.role]).toEqual(Array(4).fill(roles.noisy))
  })

  it('asks for noisy groups to be fed again, except the last', () => {
    const range = (from: number, to: number) => ({ start: from, end: to })
    expect(stepsOf(cells({ unit: 'cell', groups: 2 }).plan(layout([4])))).toEqual([
      { feed: range(0, 2), predict: range(0, 2), commit: range(0, 2), refeed: true },
      { feed: range(2, 4), predict: range(2, 4), commit: range(4, 4), refeed: false },
    ])
    expect(stepsOf(cells({ unit: 'cell', groups: 2, context: 'clean' }).plan(layout([4])))).toEqual([
      { feed: range(0, 2), predict: range(0, 2), commit: range(2, 4), refeed: true },
      { feed: range(4, 6), predict: range(4, 6), commit: range(6, 6), refeed: false },
    ])
  })

  it('cuts every grid that can be divided into equal groups of every value once', () => {
    const axes = fc.array(fc.tuple(fc.integer({ min: 1, max: 3 }), fc.integer({ min: 1, max: 2 })), { minLength: 1, maxLength: 3 })
    const unit = fc.constantFrom('cell' as const, 'subsample' as const)
    fc.assert(
      fc.property(axes, unit, fc.constantFrom('noisy' as const, 'clean' as const), (extents, kind, context) => {
        const shape = extents.map(([count, length]) => count * length)
        const groups = extents.map(([count]) => count)
        const plan = checked(cells({ unit: kind, groups, context }), layout(shape))
        const values = predicted(plan)
        expect(values).toHaveLength(product(groups))
        expect(values.flat().sort((a, b) => a - b)).toEqual([...Array(product(shape)).keys()])
        for (const group of values) {
          expect(group).toHaveLength(product(shape) / product(groups))
          for (const [axis, [count, length]] of extents.entries()) {
            const places = [...new Set(group.map((value) => coordinates(value, shape)[axis]!))].sort((a, b) => a - b)
            const apart = kind === 'cell' ? 1 : count
            expect(places).toEqual(Array.from({ length }, (_, index) => places[0]! + index * apart))
          }
        }
      }),
      settings,
    )
  })

  it('refuses grids that cannot be divided, and groups that do not fit', () => {
    expect(() => groupsOn({ unit: 'cell', groups: 4 }, [3, 4])).toThrow(ShapeError)
    expect(() => groupsOn({ unit: 'subsample', groups: [2, 3] }, [4, 4])).toThrow(ShapeError)
    expect(() => groupsOn({ unit: 'cell', groups: 2 }, [4, 4])).toThrow(/as many on each axis/)
    expect(() => groupsOn({ unit: 'cell', groups: [2] }, [4, 4])).toThrow(ShapeError)
    expect(() => groupsOn({ unit: 'cell', groups: 4 }, [2, 2], [4, 4])).toThrow(ShapeError)
    expect(() => groupsOn({ unit: 'token', groups: 3 }, [4])).toThrow(ShapeError)
    expect(() => groupsOn({ unit: 'image', groups: 2 }, [4])).toThrow(ShapeError)
  })

  it('refuses options that are unknown or out of range', () => {
    const bad = [
      { unit: 'row' },
      { unit: 'cell' },
      { unit: 'cell', groups: 0 },
      { unit: 'cell', groups: [] },
      { unit: 'cell', groups: [2, 0.5] },
      { unit: 'token', groups: [2, 2] },
      { unit: 'cell', groups: 4, context: 'both' },
      { unit: 'cell', groups: 4, size: 2 },
    ]
    for (const options of bad) expect(() => cells(options as CellOptions)).toThrow(OptionError)
  })
})
