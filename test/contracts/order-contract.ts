import { describe, expect, it } from 'vitest'
import { type Layout, type Plan, roles, sources } from '../../src/base/model.ts'
import { evaluate } from '../../src/base/visibility.ts'
import { checkPlan, type Order, stepsOf } from '../../src/orders/index.ts'
import { channelsOf, fullPass, hash, type StubInputs, slotsIn, steppedPass } from './stub-network.ts'

export type OrderCase = 'exactly once' | 'nothing sees what it predicts' | 'training mask = decoding steps'

export interface OrderSubject {
  readonly order: Order
  readonly layouts: readonly Layout[]
  /** The mask as the order's description has it, for the slots q and k of a plan over this layout. */
  readonly expected?: (query: number, key: number, layout: Layout) => boolean
  /** Cases that the order cannot pass, with the reason. */
  readonly skip?: Partial<Record<OrderCase, string>>
}

/** What every order promises, on every layout of the subject. */
export function runOrderContract({ order, layouts, expected, skip = {} }: OrderSubject): void {
  const promise = (name: OrderCase, body: (plan: Plan, layout: Layout) => void) => {
    const reason = skip[name]
    if (reason !== undefined) it.skip(`${name} (skipped: ${reason})`, () => undefined)
    else
      it.each(layouts.map((layout) => [shapesOf(layout), layout] as const))(`${name}, layout %s`, (_, layout) =>
        body(order.plan(layout), layout),
      )
  }
  describe(order.name, () => {
    promise('exactly once', predictsOnce)
    promise('nothing sees what it predicts', dependsOnEarlierGroups)
    promise('training mask = decoding steps', stepsAsTrained)
    if (expected) {
      it.each(layouts.map((layout) => [shapesOf(layout), layout] as const))('draws its mask, layout %s', (_, layout) => {
        const plan = order.plan(layout)
        const mask = Uint8Array.from({ length: plan.length ** 2 }, (_, pair) =>
          Number(expected(Math.floor(pair / plan.length), pair % plan.length, layout)),
        )
        expect(evaluate(plan.visibility, plan)).toEqual(mask)
      })
    }
  })
}

/** One line per subject and one per skip, so that a log shows what was and what was not tested. */
export function printSubjects(subjects: readonly OrderSubject[]): void {
  const skips = subjects.flatMap(({ order, skip = {} }) =>
    Object.entries(skip).map(([name, reason]) => `  skip: ${order.name}: ${name}: ${reason}`),
  )
  console.info([`order contract: ${subjects.map(({ order }) => order.name).join('; ')}`, ...skips].join('\n'))
}

function predictsOnce(plan: Plan, layout: Layout): void {
  checkPlan(plan, layout)
  const count = valuesOf(layout)
  const targets = channelsOf(plan).map(({ target }) => [...target].filter((value) => value >= 0))
  for (const channel of targets) expect(new Set(channel).size).toBe(channel.length)
  const fed = new Set(
    [...plan.group.keys()]
      .filter((slot) => plan.group[slot] === 0)
      .flatMap((slot) => channelsOf(plan).map(({ source }) => source[slot])),
  )
  for (let value = 0; value < count; value++) {
    expect(targets.some((channel) => channel.includes(value)) || fed.has(value)).toBe(true)
  }
}

/**
 * Changes one value at a time, clean and noised, and looks at who notices, through as many layers as there are slots: of a clean value
 * only later groups may learn, of a noised one its own group too.
 */
function dependsOnEarlierGroups(plan: Plan, layout: Layout): void {
  const inputs = inputsOf(plan, layout)
  const before = fullPass(plan, inputs, plan.length)
  const changed = (words: readonly number[], value: number) => words.map((word, index) => (index === value ? word + 1 : word))
  let noticed = 0
  for (let value = 0; value < valuesOf(layout); value++) {
    const clean = fullPass(plan, { ...inputs, values: changed(inputs.values, value) }, plan.length)
    const noised = fullPass(plan, { ...inputs, noise: changed(inputs.noise, value) }, plan.length)
    for (const channel of channelsOf(plan)) {
      const known = channel.target.indexOf(value) >= 0 ? plan.group[channel.target.indexOf(value)]! : inputs.known[value]!
      for (let slot = 0; slot < plan.length; slot++) {
        if (channel.target[slot]! < 0) continue
        if (before[slot] !== clean[slot]) expect(known, `slot ${slot} notices value ${value}`).toBeLessThan(plan.group[slot]!)
        if (before[slot] !== noised[slot])
          expect(known, `slot ${slot} notices value ${value}, noised`).toBeLessThanOrEqual(plan.group[slot]!)
        noticed += Number(before[slot] !== clean[slot] || before[slot] !== noised[slot])
      }
    }
  }
  const fromValues = (source: number) => source >= 0 || source === sources.carried
  const independent = channelsOf(plan).every(({ source }) => !source.some(fromValues))
  if (independent) expect(noticed).toBe(0)
  else expect(noticed).toBeGreaterThan(0)
}

function stepsAsTrained(plan: Plan, layout: Layout): void {
  const steps = stepsOf(plan)
  const inputs = inputsOf(plan, layout)
  const predicting = [...plan.role.keys()].filter(predicts(plan))
  const read = steps.map(({ predict }) => slotsIn(predict).filter(predicts(plan)))
  expect(read.flat().sort((a, b) => a - b)).toEqual(predicting)
  expect(new Set(steps.flatMap(({ feed, commit }) => [...slotsIn(feed), ...slotsIn(commit)])).size).toBe(plan.length)
  const stepped = steppedPass(plan, steps, inputs, 3)
  for (const slots of read) {
    const full = fullPass(plan, inputsAt(plan, inputs, plan.group[slots[0] ?? 0]!), 3)
    for (const slot of slots) expect(stepped.get(slot), `slot ${slot}`).toBe(full[slot])
  }
  fedAfterPredicted(plan, steps, inputs)
}

function predicts(plan: Plan): (slot: number) => boolean {
  return (slot) => channelsOf(plan).some(({ target }) => target[slot]! >= 0)
}

/** What the whole plan reads while a group is predicted: where noisy slots are fed again, earlier groups are at no noise by then. */
function inputsAt(plan: Plan, inputs: StubInputs, group: number): StubInputs {
  if (!plan.refeed) return inputs
  return { ...inputs, noise: inputs.noise.map((word, value) => (inputs.known[value]! < group ? inputs.values[value]! : word)) }
}

/** A step feeds no value that only it or a later step predicts; noisy slots start from noise. */
function fedAfterPredicted(plan: Plan, steps: ReturnType<typeof stepsOf>, { known }: StubInputs): void {
  const done = new Set([...known.keys()].filter((value) => known[value] === -1))
  const check = (slot: number) => {
    for (const { source } of channelsOf(plan)) {
      if (source[slot]! >= 0 && plan.role[slot] !== roles.noisy) expect(done.has(source[slot]!), `slot ${slot}`).toBe(true)
    }
  }
  for (const { feed, predict, commit } of steps) {
    slotsIn(feed).forEach(check)
    for (const slot of slotsIn(predict)) for (const { target } of channelsOf(plan)) done.add(target[slot]!)
    slotsIn(commit).forEach(check)
  }
}

/** Random values, and the first group that predicts each of them. */
function inputsOf(plan: Plan, layout: Layout): StubInputs {
  const words = (label: number) => Array.from({ length: valuesOf(layout) }, (_, index) => hash(label, index))
  const known = words(0).map((_, value) => {
    const groups = channelsOf(plan).flatMap(({ target }) => (target.includes(value) ? [plan.group[target.indexOf(value)]!] : []))
    return groups.length === 0 ? -1 : Math.min(...groups)
  })
  return { values: words(1), noise: words(2), known }
}

function valuesOf({ parts }: Layout): number {
  return parts.reduce((sum, { shape }) => sum + shape.reduce((product, size) => product * size, 1), 0)
}

function shapesOf({ parts }: Layout): string {
  return parts.map(({ shape }) => `[${shape}]`).join(' ')
}
