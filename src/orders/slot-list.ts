import { type Plan, type Role, roles } from '../base/model.ts'
import type { Rule } from '../base/visibility.ts'

/** One slot of a plan with a single channel. */
export interface ListedSlot {
  readonly role: Role
  readonly group: number
  /** The value whose position the slot takes; -1: none, which is position -1 on every axis. */
  readonly place: number
  readonly source: number
  readonly target: number
}

/** The plan of slots in feeding order; predictions have weight 1. `position` holds the axes of the layout's values. */
export function planOf(slots: readonly ListedSlot[], position: readonly Int32Array[], visibility: Rule): Plan {
  const column = (read: (slot: ListedSlot) => number) => Int32Array.from(slots, read)
  return {
    length: slots.length,
    role: Uint8Array.from(slots, ({ role }) => roles[role]),
    group: column(({ group }) => group),
    segment: new Int32Array(slots.length),
    position: position.map((axis) => column(({ place }) => (place < 0 ? -1 : axis[place]!))),
    parent: new Int32Array(slots.length).fill(-1),
    source: column(({ source }) => source),
    target: column(({ target }) => target),
    weight: Float32Array.from(slots, ({ target }) => Number(target >= 0)),
    visibility,
  }
}

/**
 * Group after group, a slot that predicts each value and then a clean copy of it for the groups to come. Nobody sees copies of the last
 * group, so it has none. `fed` is what feeds a predicting slot: the (noised) value itself, or one of `sources`.
 */
export function withCleanCopies(groups: readonly (readonly number[])[], role: Role, fed: (value: number) => number): ListedSlot[] {
  return groups.flatMap((values, index) => {
    const group = index + 1
    const predicting = values.map((value) => ({ role, group, place: value, source: fed(value), target: value }))
    if (group === groups.length) return predicting
    return [...predicting, ...values.map((value) => ({ role: 'clean' as const, group, place: value, source: value, target: -1 }))]
  })
}

/** The numbers 0 … count − 1. */
export function upTo(count: number): number[] {
  return [...Array(count).keys()]
}
