import type { Channel, Plan } from '../base/model.ts'

/** All channels of a plan; the plan's own columns are the first. */
export function channelsOf(plan: Plan): readonly Channel[] {
  return [plan, ...(plan.channels ?? [])]
}

/** Group of a value that no slot predicts: it is given. */
export const given = -1

/**
 * For every value, the group that predicts it, as `preferred` has it; where that channel does not predict the value, the first group of
 * any channel; `given` where none does.
 */
export function knownGroups(plan: Plan, count: number, preferred: Channel): Int32Array {
  const known = new Int32Array(count).fill(given)
  const note = (channel: Channel, overwrite: boolean) => {
    for (let slot = 0; slot < plan.length; slot++) {
      const value = channel.target[slot]!
      const group = plan.group[slot]!
      if (value >= 0 && (overwrite || known[value] === given || group < known[value]!)) known[value] = group
    }
  }
  for (const channel of channelsOf(plan)) note(channel, false)
  note(preferred, true)
  return known
}
