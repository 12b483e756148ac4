import { elementCount } from '../base/dtype.ts'
import type { Channel, Layout, Plan } from '../base/model.ts'
import { sources } from '../base/model.ts'
import { causal } from '../base/visibility.ts'
import { layOut } from './lay-out.ts'
import { onlyPart } from './only-part.ts'
import type { Order } from './order.ts'
import { planOf, upTo } from './slot-list.ts'

/**
 * Next neighbour: outwards from the first value of a grid, all values at one distance from it (the sum of their coordinates) at once.
 * Each slot is fed with a value and predicts its neighbours: channel 0 the next one on the last axis (to the right), channel 1 on the axis
 * before (below), and so on (the next frame). A condition at position -1 is fed with the start token; all its channels predict value 0.
 *
 * So a value is predicted by as many channels as it has coordinates above 0, value 0 by all. Predictions of the same value are meant to be
 * averaged, as logits; their weights add up to 1. The last value feeds nothing, so it has no slot.
 * `plan` throws ShapeError unless the layout is one part.
 * Source: NAR, arXiv:2503.10696.
 * @example
 * neighbours().plan({ parts: [{ shape: [2, 2] }] }).source // start, 0, 1, 2
 */
export function neighbours(): Order {
  return { name: 'neighbours', plan: neighboursPlan }
}

function neighboursPlan(layout: Layout): Plan {
  const { count, position } = layOut(layout)
  const shape = onlyPart(layout, 'neighbours')
  const distance = upTo(count).map((value) => position.reduce((sum, axis) => sum + axis[value]!, 0))
  const fed = upTo(count - 1).sort((a, b) => distance[a]! - distance[b]! || a - b)
  const slots = fed.map((value) => ({
    role: 'clean' as const,
    group: distance[value]! + 1,
    place: value,
    source: value,
    target: -1,
  }))
  const condition = { role: 'condition' as const, group: 0, place: -1, source: sources.start, target: -1 }
  const plan = planOf([condition, ...slots], position, causal)
  const targets = targetsByAxis(shape, position, plan.source).reverse()
  const [first, ...channels] = targets.map((target) => channelOf(plan.source, target, position))
  return { ...plan, ...first!, ...(channels.length > 0 ? { channels } : {}) }
}

/** For every axis, the value one further on it than each slot's; value 0 after the start token; -1 beyond the grid. */
function targetsByAxis(shape: readonly number[], position: readonly Int32Array[], source: Int32Array): Int32Array[] {
  return shape.map((extent, axis) => {
    const stride = elementCount(shape.slice(axis + 1))
    return source.map((value) => {
      if (value === sources.start) return 0
      return position[axis]![value]! + 1 < extent ? value + stride : -1
    })
  })
}

/** Weights are shared out among the channels that predict a value. */
function channelOf(source: Int32Array, target: Int32Array, position: readonly Int32Array[]): Channel {
  const parents = (value: number) => (value === 0 ? position.length : position.filter((axis) => axis[value]! > 0).length)
  return { source, target, weight: Float32Array.from(target, (value) => (value < 0 ? 0 : 1 / parents(value))) }
}
