import { expect } from 'vitest'
import { createRng } from '../../src/base/rng.ts'
import { openPlanStepper } from '../../src/engine/index.ts'
import { type PlanNetwork, planReadout } from '../../src/nn/index.ts'
import { channelsOf, stepsOf } from '../../src/orders/index.ts'
import type { Device } from '../../src/platform/index.ts'
import type { ImageModel } from '../../src/systems/image-model.ts'
import { compile, type FeedValue } from '../../src/tensor/index.ts'

const batch = 3

/** The network of a model if it is read slot by slot. */
export function planNetworkOf({ network }: ImageModel): PlanNetwork | undefined {
  const parts: Partial<PlanNetwork> = network as object
  return parts.plan && parts.backbone && parts.readout && parts.inputs ? (network as unknown as PlanNetwork) : undefined
}

/**
 * What is read at a slot step by step, with values that are not known yet at 0, equals what is read there in the whole plan with all of
 * them. Returns the largest difference.
 */
export async function cachedAgainstWhole(network: PlanNetwork, model: ImageModel, device: Device): Promise<number> {
  const feeds = randomFeeds(network, model)
  const whole = compile(network.inputs, (inputs) => planReadout(network, inputs), { device })
  const expected = await whole.run(feeds)
  await whole.dispose()
  await using stepper = openPlanStepper(network, device)
  await stepper.begin(batch)
  let worst = 0
  const { plan } = network
  for (const { feed, predict, commit } of stepsOf(plan)) {
    // Noisy slots are fed with what they predict, as it is before it is known.
    const fed = feeds.noisy === undefined ? { name: 'values', until: feed.start } : { name: 'noisy', until: feed.end }
    const outputs = await stepper.step(knownBefore(network, feeds, fed), feed, { commit: commit.end > commit.start })
    for (const [name, found] of Object.entries(outputs)) {
      const width = expected[name]!.data.length / (batch * plan.length)
      for (let slot = predict.start; slot < predict.end; slot++) {
        for (let sample = 0; sample < batch; sample++) {
          const [from, at] = [(sample * (feed.end - feed.start) + slot - feed.start) * width, (sample * plan.length + slot) * width]
          for (let i = 0; i < width; i++) worst = Math.max(worst, Math.abs(found[from + i]! - Number(expected[name]!.data[at + i])))
        }
      }
    }
  }
  expect(stepper.calls).toBe(stepsOf(plan).length)
  return worst
}

function randomFeeds(network: PlanNetwork, { tokenizer: { unit }, network: { classes } }: ImageModel) {
  const rng = createRng(11)
  const entries = Object.entries(network.inputs).map(([name, { shape, dtype }]) => {
    const size = shape.reduce<number>((all, length) => all * (typeof length === 'number' ? length : batch), 1)
    const numbers = rng.fold(name)
    if (name === 'label') return [name, Int32Array.from({ length: size }, (_, i) => i % (classes + 1))] as const
    if (dtype === 'float32') return [name, numbers.fillNormal(new Float32Array(size))] as const
    if (name !== 'values' || unit.kind !== 'ids') throw new Error(`the contract does not know what to feed as ${name}`)
    const { vocabulary } = unit
    return [name, Int32Array.from({ length: size }, (_, i) => numbers.integerAt(i, vocabulary[i % vocabulary.length]!))] as const
  })
  return Object.fromEntries(entries) as Record<string, Int32Array | Float32Array>
}

/** Feeds with values at 0, in the input `name`, that slots from `until` on predict. */
function knownBefore(
  { plan }: PlanNetwork,
  feeds: Record<string, Int32Array | Float32Array>,
  { name, until }: { readonly name: string; readonly until: number },
) {
  const open = new Set(channelsOf(plan).flatMap(({ target }) => [...target.subarray(until)]))
  for (const { target } of channelsOf(plan)) for (const value of target.subarray(0, until)) open.delete(value)
  const count = Math.max(...channelsOf(plan).flatMap(({ target }) => [...target])) + 1
  const values = feeds[name]!.slice()
  const width = values.length / (batch * count)
  for (let sample = 0; sample < batch; sample++)
    for (const value of open) if (value >= 0) values.fill(0, (sample * count + value) * width, (sample * count + value + 1) * width)
  return { ...feeds, [name]: values } as Readonly<Record<string, FeedValue>>
}
