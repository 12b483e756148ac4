import { OptionError, ShapeError } from '../base/errors.ts'
import { sources } from '../base/model.ts'
import { twin } from '../base/visibility.ts'
import { shifted } from './blocks.ts'
import { layOut } from './lay-out.ts'
import type { Order } from './order.ts'
import { planOf, withCleanCopies } from './slot-list.ts'

/**
 * One value after another along a permutation: slot i predicts value `permutation[i]`, whose position it takes, and is fed with the value
 * before (the start token first).
 * Throws OptionError unless `permutation` holds 0 … n − 1, each once; `plan` throws ShapeError unless the layout has n values.
 * @example
 * permuted([2, 0, 1]).plan({ parts: [{ shape: [3] }] }).source // start, 2, 0
 */
export function permuted(permutation: ArrayLike<number>): Order {
  const order = readPermutation(permutation)
  return {
    name: `permuted(${shortList(order)})`,
    plan(layout) {
      const plan = shifted(layout, 1)
      checkLength(order, plan.length)
      return {
        ...plan,
        position: plan.position.map((axis) => order.map((value) => axis[value]!)),
        source: order.map((_, slot) => (slot === 0 ? sources.start : order[slot - 1]!)),
        target: order,
      }
    },
  }
}

/**
 * Like `permuted`, in two streams: queries that know their position only predict, clean copies of the values carry the content. Both see
 * the copies of what comes before in the permutation; neither sees another query. Content so never depends on which value is next.
 * Throws as `permuted` does.
 * Source: XLNet, arXiv:1906.08237, section 2.3; SemAIM, arXiv:2312.10457.
 * @example
 * twoStreams([1, 0]).plan({ parts: [{ shape: [2] }] }).source // query, 1, query
 */
export function twoStreams(permutation: ArrayLike<number>): Order {
  const order = readPermutation(permutation)
  return {
    name: `twoStreams(${shortList(order)})`,
    plan(layout) {
      const { count, position } = layOut(layout)
      checkLength(order, count)
      const groups = Array.from(order, (value) => [value])
      return planOf(
        withCleanCopies(groups, 'query', () => sources.query),
        position,
        twin,
      )
    },
  }
}

function readPermutation(permutation: ArrayLike<number>): Int32Array {
  const seen = new Set<number>()
  for (const value of Array.from(permutation)) {
    if (Number.isInteger(value) && value >= 0 && value < permutation.length && !seen.has(value)) seen.add(value)
    else
      throw new OptionError(`no permutation: it holds ${value}${seen.has(value) ? ' twice' : ''}`, {
        expected: `0 to ${permutation.length - 1}, each once`,
      })
  }
  if (seen.size === 0) throw new OptionError('an empty permutation', { expected: 'at least one value' })
  return Int32Array.from(permutation)
}

function checkLength(order: Int32Array, count: number): void {
  if (order.length !== count)
    throw new ShapeError(`a permutation of ${order.length} values`, { expected: `${count}, as the layout has` })
}

function shortList(order: Int32Array): string {
  return `${order.slice(0, 8)}${order.length > 8 ? ', …' : ''}`
}
