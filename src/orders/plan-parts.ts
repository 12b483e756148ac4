import { OptionError, ShapeError } from '../base/errors.ts'
import type { Plan, SlotColumns, SlotRange, Step } from '../base/model.ts'
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

/** The slots in the cache before each step, in the order in which they were kept; one entry more, for after the last step. */
export function heldSlots(steps: readonly Step[]): Int32Array[] {
  const held: number[] = []
  const states = [new Int32Array(0)]
  for (const { commit } of steps) {
    for (let slot = commit.start; slot < commit.end; slot++) held.push(slot)
    states.push(Int32Array.from(held))
  }
  return states
}

/**
 * The columns of some slots of a plan, in the order given: what a rule reads of a step's queries, or of the keys in a cache.
 * Throws ShapeError on a slot that the plan does not have, OptionError when a slot's parent is not among the slots before it.
 */
export function columnsOf(plan: SlotColumns, slots: ArrayLike<number>): SlotColumns {
  const indices = Int32Array.from(slots)
  const stray = indices.findIndex((slot, index) => slot < 0 || slot >= plan.length || slot !== slots[index])
  if (stray >= 0) throw new ShapeError(`there is no slot ${slots[stray]}`, { expected: `slots below ${plan.length}` })
  const placed = new Map<number, number>()
  const parent = indices.map((slot, index) => {
    placed.set(slot, index)
    const own = plan.parent[slot]!
    const moved = own < 0 ? -1 : placed.get(own)
    if (moved !== undefined) return moved
    throw new OptionError(`slot ${slot} without its parent ${own}`, { expected: 'parents before their children' })
  })
  return {
    length: indices.length,
    role: Uint8Array.from(indices, (slot) => plan.role[slot]!),
    group: indices.map((slot) => plan.group[slot]!),
    segment: indices.map((slot) => plan.segment[slot]!),
    position: plan.position.map((axis) => indices.map((slot) => axis[slot]!)),
    parent,
  }
}
