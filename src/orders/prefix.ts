import { OptionError, ShapeError } from '../base/errors.ts'
import { type Plan, roles } from '../base/model.ts'
import { shifted } from './blocks.ts'
import type { Order } from './order.ts'

/**
 * The first `length` values are given, the others predicted one after another. The slots fed with given values (and with the start token)
 * are conditions in group 0 and all see one another; the last of them predicts the first value that is not given.
 * Throws OptionError unless `length` is a non-negative integer; `plan` throws ShapeError when nothing is left to predict.
 * @example
 * prefix(2).plan({ parts: [{ shape: [4] }] }).target // none, none, 2, 3
 */
export function prefix(length: number): Order {
  if (!Number.isSafeInteger(length) || length < 0)
    throw new OptionError(`length is ${length}`, { expected: 'a non-negative integer' })
  return {
    name: `prefix(${length})`,
    plan(layout) {
      const plan = shifted(layout, 1)
      if (length < plan.length) return length === 0 ? plan : withPrefix(plan, length)
      throw new ShapeError(`a prefix of ${length} values`, { expected: `fewer than the layout's ${plan.length}` })
    },
  }
}

function withPrefix(plan: Plan, length: number): Plan {
  return {
    ...plan,
    role: plan.role.map((role, slot) => (slot <= length ? roles.condition : role)),
    group: plan.group.map((_, slot) => Math.max(0, slot - length)),
    target: plan.target.map((target, slot) => (slot < length ? -1 : target)),
    weight: plan.weight.map((weight, slot) => (slot < length ? 0 : weight)),
  }
}
