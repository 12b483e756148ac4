import { countValues } from '../base/codes.ts'
import { DataError, ShapeError } from '../base/errors.ts'
import { type Channel, type Layout, type Plan, roles, sources } from '../base/model.ts'
import { checkColumns, evaluate } from '../base/visibility.ts'
import { channelsOf, given, knownGroups } from './known-groups.ts'

/**
 * Checks that a plan makes a model of its layout: p(all values) = Π p(values of a group | values of earlier groups, given values).
 *
 * 1. Columns fit one another and hold legal values; parents are in no later group than their children.
 * 2. Every value is predicted, by one slot per channel at most; or given, which is fed by conditions (group 0) and predicted by none.
 * 3. Nothing sees what it predicts, through however many layers: of all slots that a predicting slot of group g sees, and that those see,
 *    and so on, itself included, each is fed with values of groups before g. Noisy slots may be fed with noised values of group g too;
 *    carried slots of group h stand for all values of groups before h.
 * 4. Every slot sees some slot: softmax over nothing is NaN.
 *
 * Throws ShapeError or DataError that names the first offence. Takes time and memory quadratic in the slots, at most 16,384.
 */
export function checkPlan(plan: Plan, layout: Layout): void {
  const count = countValues(layout)
  checkColumns(plan)
  checkSlots(plan)
  for (const channel of channelsOf(plan)) checkChannel(plan, channel, count)
  checkCoverage(plan, count)
  const bits = evaluate(plan.visibility, plan)
  checkSight(plan, bits)
  for (const channel of channelsOf(plan)) checkDependence(plan, channel, knownGroups(plan, count, channel), bits)
}

function checkSlots({ length, role, group, parent }: Plan): void {
  const known = new Set<number>(Object.values(roles))
  for (let slot = 0; slot < length; slot++) {
    if (!known.has(role[slot]!)) throw new DataError(`slot ${slot} has role ${role[slot]}`, { expected: 'one of `roles`' })
    if (group[slot]! < 0) throw new DataError(`slot ${slot} is in group ${group[slot]}`, { expected: '0 or more' })
    if (parent[slot]! >= 0 && group[parent[slot]!]! > group[slot]!) {
      throw new DataError(`slot ${slot} of group ${group[slot]} has a parent of group ${group[parent[slot]!]}`, {
        expected: 'no later group',
      })
    }
  }
}

function checkChannel(plan: Plan, { source, target, weight }: Channel, count: number): void {
  const lowest = Math.min(...Object.values(sources))
  const predictedBy = new Int32Array(count).fill(-1)
  for (const [name, column] of Object.entries({ source, target, weight })) {
    if (column.length !== plan.length)
      throw new ShapeError(`column '${name}' has ${column.length} entries`, { expected: `${plan.length}` })
  }
  for (let slot = 0; slot < plan.length; slot++) {
    checkRange(`source of slot ${slot}`, source[slot]!, lowest, count)
    checkRange(`target of slot ${slot}`, target[slot]!, -1, count)
    checkWeight(slot, weight[slot]!, target[slot]!)
    const value = target[slot]!
    if (value < 0) continue
    if (predictedBy[value]! >= 0)
      throw new DataError(`value ${value} is predicted twice, by slots ${predictedBy[value]} and ${slot}`)
    predictedBy[value] = slot
  }
}

function checkRange(name: string, value: number, lowest: number, count: number): void {
  if (value < lowest || value >= count) throw new DataError(`${name} is ${value}`, { expected: `${lowest} to ${count - 1}` })
}

function checkWeight(slot: number, weight: number, target: number): void {
  if (!Number.isFinite(weight) || weight < 0)
    throw new DataError(`slot ${slot} has weight ${weight}`, { expected: 'a finite number, 0 or more' })
  if (target < 0 && weight > 0)
    throw new DataError(`slot ${slot} has weight ${weight} but predicts nothing`, { expected: 'weight 0' })
}

function checkCoverage(plan: Plan, count: number): void {
  const known = knownGroups(plan, count, plan)
  const supplied = new Uint8Array(count)
  for (const { source } of channelsOf(plan)) {
    for (let slot = 0; slot < plan.length; slot++) {
      const value = source[slot]!
      if (value < 0 || known[value] !== given) continue
      if (plan.group[slot] !== 0) {
        throw new DataError(`value ${value} is fed by slot ${slot} but never predicted`, {
          expected: 'a slot that predicts it, or conditions in group 0 only',
        })
      }
      supplied[value] = 1
    }
  }
  const skipped = known.findIndex((group, value) => group === given && supplied[value] === 0)
  if (skipped >= 0) throw new DataError(`value ${skipped} is neither predicted nor given`)
}

function checkSight({ length }: Plan, bits: Uint8Array): void {
  for (let query = 0; query < length; query++) {
    const row = bits.subarray(query * length, (query + 1) * length)
    if (!row.includes(1))
      throw new DataError(`slot ${query} sees no slot`, { expected: 'at least itself', fix: 'let its rule show it the own group' })
  }
}

/**
 * Slots are given moments on a line: values of group g are known at 2g + 1, their noised copies at 2g, and a slot of group g predicts
 * at 2g from nothing later. Every slot is reached once, from the latest moment that it can learn of.
 */
function checkDependence(plan: Plan, channel: Channel, known: Int32Array, bits: Uint8Array): void {
  const latest = Int32Array.from({ length: plan.length }, (_, slot) => momentOf(plan, slot, known))
  const learnsFrom = new Int32Array(plan.length).fill(-1)
  const byMoment = [...latest.keys()].sort((a, b) => latest[b]! - latest[a]!)
  for (const origin of byMoment) spreadBack(origin, learnsFrom, bits)
  for (let slot = 0; slot < plan.length; slot++) {
    const origin = learnsFrom[slot]!
    if (channel.target[slot]! < 0 || latest[origin]! <= 2 * plan.group[slot]!) continue
    throw new DataError(
      `slot ${slot} predicts value ${channel.target[slot]} in group ${plan.group[slot]}, yet depends on slot ${origin}, which is fed with a value of group ${Math.floor(latest[origin]! / 2)}`,
      { expected: 'nothing that is not known before' },
    )
  }
}

/** The moment at which all that feeds a slot is known. */
function momentOf(plan: Plan, slot: number, known: Int32Array): number {
  const moments = channelsOf(plan).map(({ source }) => {
    const value = source[slot]!
    if (value === sources.carried) return 2 * plan.group[slot]! - 1
    if (value < 0 || known[value] === given) return -1
    return 2 * known[value]! + (plan.role[slot] === roles.noisy ? 0 : 1)
  })
  return Math.max(...moments)
}

/** Marks all slots that see `origin`, directly or through others, and are not marked yet. */
function spreadBack(origin: number, learnsFrom: Int32Array, bits: Uint8Array): void {
  if (learnsFrom[origin] !== -1) return
  const { length } = learnsFrom
  const open = [origin]
  learnsFrom[origin] = origin
  for (let key = open.pop(); key !== undefined; key = open.pop()) {
    for (let query = 0; query < length; query++) {
      if (learnsFrom[query] !== -1 || bits[query * length + key] === 0) continue
      learnsFrom[query] = origin
      open.push(query)
    }
  }
}
