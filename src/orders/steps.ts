import { OptionError } from '../base/errors.ts'
import { type Channel, type Plan, type Role, roles, type SlotRange, type Step } from '../base/model.ts'
import { analyse } from '../base/visibility.ts'
import { channelsOf, knownGroups } from './known-groups.ts'

const roleNames = Object.keys(roles) as Role[]

/**
 * A plan group by group, as decoding runs it: feed a group's slots, predict at those that have targets, keep those that later groups may
 * see. Slots fed with what their own group predicts (clean copies beside noisy ones) are not fed, only kept.
 * Throws OptionError when a slot sees later groups, or when the slots of a step do not lie side by side.
 * @example
 * stepsOf(raster().plan({ parts: [{ shape: [2] }] })) // feed = predict = commit: [0, 1), then [1, 2)
 */
export function stepsOf(plan: Plan): Step[] {
  const { cacheable, transient } = analyse(plan.visibility)
  const groups = slotsByGroup(plan)
  if (!cacheable && groups.length > 1) {
    throw new OptionError('this plan cannot be run step by step: its rule lets slots see later groups', {
      expected: 'a rule that looks back only, or a single group',
    })
  }
  const late = lateSlots(plan)
  const predicts = (slot: number) => channelsOf(plan).some(({ target }) => target[slot]! >= 0)
  return groups.map((slots) => {
    const feed = rangeOf(slots.filter((slot) => !late(slot)))
    return {
      feed,
      predict: rangeOf(slots.filter(predicts), feed),
      commit: rangeOf(
        slots.filter((slot) => !transient.includes(roleNames[plan.role[slot]!]!)),
        feed,
      ),
    }
  })
}

/** Slot indices of each group, groups ascending. */
function slotsByGroup(plan: Plan): number[][] {
  const groups = new Map<number, number[]>()
  for (let slot = 0; slot < plan.length; slot++) {
    const group = plan.group[slot]!
    const slots = groups.get(group)
    if (slots) slots.push(slot)
    else groups.set(group, [slot])
  }
  return [...groups].sort(([a], [b]) => a - b).map(([, slots]) => slots)
}

/** Is this slot fed with a value that its own group predicts? Noisy slots are fed with noise. */
function lateSlots(plan: Plan): (slot: number) => boolean {
  const channels = channelsOf(plan)
  const count = channels.reduce((most, { source, target }) => Math.max(most, highest(source), highest(target)), -1) + 1
  const known = channels.map((channel) => knownGroups(plan, count, channel))
  const isLate = ({ source }: Channel, index: number, slot: number) =>
    source[slot]! >= 0 && known[index]![source[slot]!]! >= plan.group[slot]!
  return (slot) => plan.role[slot] !== roles.noisy && channels.some((channel, index) => isLate(channel, index, slot))
}

function highest(column: Int32Array): number {
  return column.reduce((most, value) => Math.max(most, value), -1)
}

/** The range of ascending slots; empty, at the end of `after`, when there are none. */
function rangeOf(slots: readonly number[], after: SlotRange = { start: 0, end: 0 }): SlotRange {
  const [start] = slots
  if (start === undefined) return { start: after.end, end: after.end }
  const end = start + slots.length
  if (slots.at(-1) === end - 1) return { start, end }
  throw new OptionError(`slots ${slots.slice(0, 8)} make one step`, {
    expected: 'slots side by side',
    fix: 'lay the slots of a group out next to one another',
  })
}
