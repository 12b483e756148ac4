import type { Plan, SlotRange } from '../base/model.ts'
import { channelsOf } from './known-groups.ts'

export interface SlotGroup {
  readonly group: number
  /** Ascending. */
  readonly slots: Int32Array
}

/** The slots of each group, groups ascending. */
export function groupsOf(plan: Plan): SlotGroup[] {
  const groups = new Map<number, number[]>()
  for (let slot = 0; slot < plan.length; slot++) {
    const group = plan.group[slot]!
    const slots = groups.get(group)
    if (slots) slots.push(slot)
    else groups.set(group, [slot])
  }
  return [...groups].sort(([a], [b]) => a - b).map(([group, slots]) => ({ group, slots: Int32Array.from(slots) }))
}

/** Who predicts what: row i of all columns is about `values[i]`. */
export interface Predictions {
  /** Ascending. */
  readonly values: Int32Array
  /** One column per channel, the plan's own first: the slot that predicts the value; -1: this channel does not. */
  readonly slots: readonly Int32Array[]
}

/**
 * The values predicted by a run of slots (the whole plan by default), and the slots that predict each of them, channel by channel. What
 * is read of a step is `predictionsOf(plan, step.predict)`; where several channels predict a value, an order says how they are joined.
 * Expects a plan that `checkPlan` passes.
 * @example
 * predictionsOf(neighbours().plan({ parts: [{ shape: [2, 2] }] })) // values 0 1 2 3, slots 0 1 -1 3 and 0 -1 1 2
 */
export function predictionsOf(plan: Plan, { start, end }: SlotRange = { start: 0, end: plan.length }): Predictions {
  const channels = channelsOf(plan).map(({ target }) => target.subarray(start, end))
  const values = Int32Array.from(new Set(channels.flatMap((targets) => [...targets].filter((value) => value >= 0)))).sort()
  const rows = new Map(Array.from(values, (value, row) => [value, row]))
  const slots = channels.map((targets) => {
    const column = new Int32Array(values.length).fill(-1)
    for (const [index, value] of targets.entries()) if (value >= 0) column[rows.get(value)!] = start + index
    return column
  })
  return { values, slots }
}
