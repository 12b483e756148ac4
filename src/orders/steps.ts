import { OptionError } from '../base/errors.ts'
import { type Channel, type Plan, type Role, roles, type SlotRange, type Step } from '../base/model.ts'
import { analyse } from '../base/visibility.ts'
import { channelsOf, knownGroups } from './known-groups.ts'
import { groupsOf } from './plan-parts.ts'

const roleNames = Object.keys(roles) as Role[]

/**
 * A plan group by group, as decoding runs it: feed a group's slots, predict at those that have targets, keep those that later groups may
 * see. Slots fed with what their own group predicts (clean copies beside noisy ones) are not fed, only kept.
 *
 * A plan whose rule lets slots see later groups is one step that keeps nothing, if only one group predicts and all else is given (group
 * 0): masked sets, of which decoding makes a new plan whenever more is given.
 * Throws OptionError when more groups predict under such a rule, or when the slots of a step do not lie side by side.
 * @example
 * stepsOf(raster().plan({ parts: [{ shape: [2] }] })) // feed = predict = commit: [0, 1), then [1, 2)
 */
export function stepsOf(plan: Plan): Step[] {
  const { cacheable, transient } = analyse(plan.visibility)
  const late = lateSlots(plan)
  const predicts = (slot: number) => channelsOf(plan).some(({ target }) => target[slot]! >= 0)
  if (!cacheable) return [stepAtOnce(plan, predicts, late)]
  const groups = groupsOf(plan)
  return groups.map(({ slots }, index) => {
    const feed = rangeOf([...slots].filter((slot) => !late(slot)))
    const kept = [...slots].filter((slot) => !transient.includes(roleNames[plan.role[slot]!]!))
    const again = plan.refeed === true && kept.some((slot) => plan.role[slot] === roles.noisy)
    // nobody comes after the last group: feeding it again would be for nothing
    const wasted = again && index === groups.length - 1
    return {
      feed,
      predict: spanOf([...slots].filter(predicts), feed),
      commit: rangeOf(wasted ? [] : kept, feed),
      refeed: !wasted && (again || kept.some(late)),
    }
  })
}

/** All slots in one step, under a rule that lets them see one another. */
function stepAtOnce(plan: Plan, predicts: (slot: number) => boolean, late: (slot: number) => boolean): Step {
  const slots = [...plan.role.keys()]
  const predicting = slots.filter(predicts)
  const group = plan.group[predicting[0] ?? 0]!
  const stray = slots.find((slot) => late(slot) || (plan.group[slot] !== group && (predicts(slot) || plan.group[slot] !== 0)))
  if (stray === undefined) {
    const feed = { start: 0, end: plan.length }
    return { feed, predict: spanOf(predicting, feed), commit: { start: plan.length, end: plan.length }, refeed: false }
  }
  throw new OptionError('this plan cannot be run step by step: its rule lets slots see later groups', {
    expected: 'a rule that looks back only, or a single group that predicts and what is given to it',
  })
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

/** The shortest range with these ascending slots; empty, at the end of `after`, when there are none. */
function spanOf(slots: readonly number[], after: SlotRange): SlotRange {
  return slots.length === 0 ? { start: after.end, end: after.end } : { start: slots[0]!, end: slots.at(-1)! + 1 }
}
