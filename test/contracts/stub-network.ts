import { type Channel, type Plan, roles, type SlotRange, type Step, sources } from '../../src/base/model.ts'
import { sees } from '../../src/base/visibility.ts'

/**
 * A network in which nothing is lost: hidden states are hashes of a slot's own state and of the states of the slots it sees, layer by
 * layer. Two passes that see the same things give the same words, passes that see different things do not.
 */
export interface StubInputs {
  /** What slots fed with value i read. */
  readonly values: readonly number[]
  /** What noisy slots of value i read. */
  readonly noise: readonly number[]
  /** Group in which value i becomes known; -1: given. Carried slots read all values of earlier groups. */
  readonly known: readonly number[]
}

export function channelsOf(plan: Plan): readonly Channel[] {
  return [plan, ...(plan.channels ?? [])]
}

/** Hidden states of all slots in one pass under the full mask. */
export function fullPass(plan: Plan, inputs: StubInputs, layers: number): number[] {
  const everySlot = { start: 0, end: plan.length }
  return pass(plan, inputs, layers, new Map(), everySlot).map((states) => states.at(-1)!)
}

/** Hidden states at the predicting slots of each step, every slot seeing only the cache and the slots fed with it. */
export function steppedPass(plan: Plan, steps: readonly Step[], inputs: StubInputs, layers: number): Map<number, number> {
  const cache = new Map<number, readonly number[]>()
  const hidden = new Map<number, number>()
  for (const { feed, predict, commit, refeed } of steps) {
    const fed = pass(plan, inputs, layers, cache, feed)
    for (const slot of slotsIn(predict)) hidden.set(slot, fed[slot - feed.start]!.at(-1)!)
    const again = () => pass(plan, { ...inputs, noise: inputs.values }, layers, cache, commit)
    const kept = refeed ? again() : fed.slice(commit.start - feed.start)
    for (const [index, slot] of slotsIn(commit).entries()) cache.set(slot, kept[index]!)
  }
  return hidden
}

export function slotsIn({ start, end }: SlotRange): number[] {
  return Array.from({ length: end - start }, (_, index) => start + index)
}

/** States of the range's slots, one per layer, seeing one another and the cache. */
function pass(
  plan: Plan,
  inputs: StubInputs,
  layers: number,
  cache: ReadonlyMap<number, readonly number[]>,
  range: SlotRange,
): number[][] {
  const slots = slotsIn(range)
  const states = slots.map((slot) => [inputOf(plan, slot, inputs)])
  const visible = slots.map((query) => ({
    fed: slots.flatMap((key, index) => (sees(plan.visibility, plan, query, key) ? [index] : [])),
    cached: [...cache.keys()].filter((key) => sees(plan.visibility, plan, query, key)),
  }))
  for (let layer = 0; layer < layers; layer++) {
    const next = slots.map((_, index) => {
      const keys = [
        ...visible[index]!.fed.map((key) => states[key]![layer]!),
        ...visible[index]!.cached.map((key) => cache.get(key)![layer]!),
      ]
      // a sum of hashes: the order of the keys does not matter
      return hash(
        states[index]![layer]!,
        keys.reduce((sum, key) => (sum + hash(key, layer)) >>> 0, 0),
      )
    })
    for (const [index, state] of next.entries()) states[index]!.push(state)
  }
  return states
}

function inputOf(plan: Plan, slot: number, inputs: StubInputs): number {
  const place = plan.position.reduce((state, axis) => hash(state, axis[slot]!), hash(plan.role[slot]!, plan.segment[slot]!))
  return channelsOf(plan).reduce((state, { source }) => hash(state, readSource(plan, slot, source[slot]!, inputs)), place)
}

function readSource(plan: Plan, slot: number, source: number, { values, noise, known }: StubInputs): number {
  if (source >= 0) return (plan.role[slot] === roles.noisy ? noise : values)[source]!
  if (source !== sources.carried) return source >>> 0
  return values.reduce((state, value, index) => (known[index]! < plan.group[slot]! ? hash(state, value) : state), 1)
}

/** Two rounds of a 32-bit integer finaliser (odd multipliers, shifts). */
export function hash(a: number, b: number): number {
  let word = Math.imul(a ^ 0x9e3779b9, 0x85ebca6b) ^ Math.imul(b + 0x7f4a7c15, 0xc2b2ae35)
  for (const multiplier of [0x45d9f3b, 0x119de1f3]) word = Math.imul(word ^ (word >>> 16), multiplier)
  return (word ^ (word >>> 15)) >>> 0
}
