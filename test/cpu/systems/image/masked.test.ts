import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { CodeBatch } from '../../../../src/base/codes.ts'
import { MismatchError, OptionError } from '../../../../src/base/errors.ts'
import { createRng, type Rng } from '../../../../src/base/rng.ts'
import { initialize, namedVariables } from '../../../../src/nn/index.ts'
import { maskSchedule } from '../../../../src/orders/index.ts'
import { type Device, openDevice } from '../../../../src/platform/index.ts'
import elm from '../../../../src/systems/image/elm.ts'
import maskgit from '../../../../src/systems/image/maskgit.ts'
import { MaskedNetwork, maskedSchema } from '../../../../src/systems/image-engines/masked-network.ts'
import { type MaskedIdsNetwork, MaskedSampler } from '../../../../src/systems/image-engines/masked-sampler.ts'
import type { SampleOptions, SampleRequest, SampleStep } from '../../../../src/systems/image-system.ts'
import { parseConfig } from '../../../../src/systems/read-config.ts'
import { compile, constant, expand, float32, int32 } from '../../../../src/tensor/index.ts'
import { ThresholdTokenizer } from '../../../contracts/toy-pictures.ts'

let device: Device
beforeAll(async () => {
  device = await openDevice({ worker: false, threads: 1 })
})
afterAll(() => device[Symbol.asyncDispose]())

const vocabulary = [4, 3]
const codes = { kind: 'ids', vocabulary, layout: { parts: [{ shape: [4, 4] }] } } as const

/** 4×4 values of two ids each. */
class TwoIds extends ThresholdTokenizer {
  override readonly unit = { kind: 'ids', vocabulary } as const
}

function network(options: object = {}, tokenizer = new TwoIds()): MaskedNetwork {
  const small = parseConfig(maskedSchema, { width: 16, layers: 2, heads: 2, ...options }, 'maskgit')
  return new MaskedNetwork('maskgit', small, { tokenizer, classes: 2 })
}

/** Random weights throughout: gates that start at 0 would hide what layers do. */
async function randomized(built: MaskedNetwork): Promise<MaskedNetwork> {
  await initialize(built, createRng(1))
  for (const [name, variable] of namedVariables(built)) {
    const size = variable.concreteShape.reduce((a, b) => a * b, 1)
    await variable.write(
      createRng(2)
        .fold(name)
        .fillNormal(new Float32Array(size))
        .map((x) => x * 0.3),
    )
  }
  return built
}

const rngs = (count: number): Rng[] => Array.from({ length: count }, (_, i) => createRng(9).fold(i))

function randomCodes(count: number): CodeBatch {
  const rng = createRng(3)
  return { ...codes, count, data: Int32Array.from({ length: count * 32 }, (_, i) => rng.integerAt(i, vocabulary[i % 2]!)) }
}

describe.each([{ compress: 1 }, { compress: 2, rateCondition: false }])('a masked network with %o', (options) => {
  it('loses only by what is masked, and never sees it', async () => {
    const built = await randomized(network(options))
    const program = compile(
      built.trainingInputs(3),
      (inputs) => ({ logits: built.logits(inputs), loss: built.loss(inputs).total }),
      {
        device,
      },
    )
    const feed = built.feed(randomCodes(3), Int32Array.of(0, 1, 2), createRng(4))
    const { logits, loss } = await program.run(feed)
    expect(loss.data[0]).toBeCloseTo(crossEntropy(logits.data as Float32Array, feed.values, feed.known), 5)
    const others = feed.values.map((id, i) => (feed.known[i >> 1] === 1 ? id : (id + 1) % vocabulary[i % 2]!))
    const again = await program.run({ ...feed, values: others })
    expect([...again.logits.data]).toEqual([...logits.data])
    expect(again.loss.data[0]).not.toBeCloseTo(loss.data[0] as number, 4)
    const seen = await program.run({ ...feed, values: feed.values.map((id, i) => (id + 1) % vocabulary[i % 2]!) })
    expect([...seen.logits.data]).not.toEqual([...logits.data])
    await program.dispose()
  })
})

/** Mean −ln p over the ids of masked values, in doubles. */
function crossEntropy(logits: Float32Array, ids: Int32Array, known: Float32Array): number {
  let [total, count] = [0, 0]
  for (const [value, given] of known.entries()) {
    if (given === 1) continue
    let start = value * 7
    for (const [code, size] of vocabulary.entries()) {
      const row = [...logits.subarray(start, start + size)]
      total += Math.log(row.reduce((sum, x) => sum + Math.exp(x), 0)) - row[ids[value * 2 + code]!]!
      count++
      start += size
    }
  }
  return total / count
}

it('training masks at least one value of each sample, and none of the others always', () => {
  const built = network()
  const counts = new Set<number>()
  for (let step = 0; step < 40; step++) {
    const { known } = built.feed(randomCodes(4), new Int32Array(4), createRng(step))
    for (let sample = 0; sample < 4; sample++) {
      const masked = known.subarray(sample * 16, (sample + 1) * 16).filter((value) => value === 0).length
      expect(masked).toBeGreaterThanOrEqual(1)
      counts.add(masked)
    }
  }
  expect(counts.size).toBeGreaterThan(8)
})

/** A network that says the same whatever it is fed: one table of logits `[value, Σ vocabulary]`, for `classes` none of it. */
function stub(table: Float32Array, size = 3): MaskedIdsNetwork {
  const values = table.length / size
  return {
    classes: 2,
    labelDrop: 0.1,
    layout: { parts: [{ shape: [values] }] },
    vocabulary: [size],
    inputsFor: (batch) => ({ values: int32(batch, values, 1), known: float32(batch, values), label: int32(batch) }),
    logits: ({ values: fed }) => expand(constant(table, [1, values, size]), [fed!.shape[0]!, values, size]),
  }
}

async function stepsOf(sampler: MaskedSampler, options: SampleOptions, extra: Partial<SampleRequest> = {}): Promise<SampleStep[]> {
  const steps: SampleStep[] = []
  const labels = Int32Array.of(0, 1)
  for await (const step of sampler.sample({ labels, rngs: rngs(2), options, ...extra })) steps.push(step)
  return steps
}

const table = createRng(7).fillNormal(new Float32Array(30))

describe('a masked sampler', () => {
  it('keeps the surest at each step, as many as the schedule says', async () => {
    const sampler = new MaskedSampler(stub(table), device)
    const steps = await stepsOf(sampler, { steps: 5, temperature: 0, choiceTemperature: 0 })
    const sureness = Array.from({ length: 10 }, (_, value) => {
      const row = [...table.subarray(value * 3, value * 3 + 3)].map(Math.exp)
      return Math.max(...row) / row.reduce((a, b) => a + b, 0)
    })
    const order = [...sureness.keys()].sort((a, b) => sureness[b]! - sureness[a]!)
    for (const [index, masked] of maskSchedule('cosine', { values: 10, steps: 5 }).entries()) {
      const settled = [...steps[index]!.known.subarray(0, 10).entries()].filter(([, known]) => known === 1).map(([value]) => value)
      expect(settled).toEqual(order.slice(0, 10 - masked).sort((a, b) => a - b))
    }
    expect(sampler.evaluations).toEqual({ backbone: 5, head: 0 })
    await sampler[Symbol.asyncDispose]()
  })

  it('never changes what is known, given or drawn', async () => {
    const sampler = new MaskedSampler(stub(table), device)
    const data = Int32Array.from({ length: 20 }, (_, i) => i % 3)
    const known = Float32Array.from({ length: 20 }, (_, i) => Number(i % 4 === 1 || i > 16))
    const given = { values: { kind: 'ids', vocabulary: [3], layout: { parts: [{ shape: [10] }] }, count: 2, data } as const, known }
    let before: { values: Int32Array; known: Float32Array } = { values: data, known }
    for (const step of await stepsOf(sampler, { steps: 4 }, { given })) {
      const now = { values: step.values.data as Int32Array, known: step.known }
      for (const [value, was] of before.known.entries()) {
        if (was === 0) continue
        expect(now.known[value]).toBe(1)
        expect(now.values[value]).toBe(before.values[value])
      }
      before = now
    }
    expect(before.known.every((value) => value === 1)).toBe(true)
    await sampler[Symbol.asyncDispose]()
  })

  it('draws each id as often as it is likely, whatever the steps', async () => {
    const sampler = new MaskedSampler(stub(Float32Array.from([0.2, 0.8, 0.5, 0.5].map(Math.log)), 2), device)
    for (const options of [{ steps: 1 }, { steps: 2, selection: 'random' }] as const) {
      const request = { labels: new Int32Array(4000), rngs: rngs(4000), options }
      let last: SampleStep | undefined
      for await (const step of sampler.sample(request)) last = step
      const ones = [...last!.values.data].filter((_, i) => i % 2 === 0).reduce((a, b) => a + b, 0)
      expect(Math.abs(ones / 4000 - 0.8)).toBeLessThan(0.03)
    }
    await sampler[Symbol.asyncDispose]()
  })

  it('takes as many steps for each sample as it has values to predict, and asks schedules for those', async () => {
    const sampler = new MaskedSampler(stub(table), device)
    const values = {
      kind: 'ids',
      vocabulary: [3],
      layout: { parts: [{ shape: [10] }] },
      count: 2,
      data: new Int32Array(20),
    } as const
    const known = Float32Array.from({ length: 20 }, (_, i) => Number(i < 7))
    const asked = { guidance: new Set<string>(), choiceTemperature: new Set<string>() }
    const options: SampleOptions = {
      guidance: (step, steps) => asked.guidance.add(`${step} of ${steps}`).size,
      choiceTemperature: (step, steps) => asked.choiceTemperature.add(`${step} of ${steps}`).size,
    }
    const steps = await stepsOf(sampler, options, { given: { values, known } })
    expect(steps.map((step) => [...step.known].reduce((sum, x) => sum + x, 0))).toEqual([9, 11, 13, 14, 15, 16, 17, 18, 19, 20])
    expect(steps.map((step) => [...step.known.subarray(0, 10)].reduce((sum, x) => sum + x, 0)).slice(0, 4)).toEqual([8, 9, 10, 10])
    const places = [3, 10].flatMap((count) => Array.from({ length: count }, (_, step) => `${step} of ${count}`))
    for (const calls of [asked.guidance, asked.choiceTemperature]) expect([...calls].sort()).toEqual(places.sort())
    await sampler[Symbol.asyncDispose]()
  })

  it('heeds every option', async () => {
    const sampler = new MaskedSampler(stub(table), device)
    const many = { labels: new Int32Array(16), rngs: rngs(16) }
    const trace = async (options: SampleOptions) =>
      (await stepsOf(sampler, options, many)).map(({ values, known }) => [values.data, known])
    const plain = await trace({ steps: 4 })
    expect(await trace({ steps: 4, choiceTemperature: 2, selection: 'confidence', guidance: 1 })).toEqual(plain)
    const changes: SampleOptions[] = [
      { steps: 5 },
      { choiceTemperature: 0 },
      { choiceTemperature: (step) => 9 * step },
      { selection: 'random' },
      { temperature: 0.2 },
      { topK: 1 },
      { topP: 0.3 },
    ]
    for (const change of changes) expect(await trace({ steps: 4, ...change }), Object.keys(change)[0]!).not.toEqual(plain)
    await sampler[Symbol.asyncDispose]()
  })

  it('refuses what cannot be done', async () => {
    const sampler = new MaskedSampler(stub(table), device)
    const given = (known: number[]) => ({
      values: { kind: 'ids', vocabulary: [3], layout: { parts: [{ shape: [10] }] }, count: 2, data: new Int32Array(20) } as const,
      known: Float32Array.from(known),
    })
    await expect(stepsOf(sampler, { steps: 11 })).rejects.toThrow(/11 steps for 10 values/)
    const most = given(Array.from({ length: 20 }, (_, i) => Number(i < 18)))
    await expect(stepsOf(sampler, { steps: 3 }, { given: most })).rejects.toThrow(/3 steps for 2 values to predict in sample 1/)
    await expect(stepsOf(sampler, { steps: 3 }, { given: most })).rejects.toThrow(OptionError)
    expect(await stepsOf(sampler, {}, { given: most })).toHaveLength(2)
    const long = { ...most, known: new Float32Array(22) }
    await expect(stepsOf(sampler, {}, { given: long })).rejects.toThrow(MismatchError)
    await expect(stepsOf(sampler, { selection: 'random', choiceTemperature: 1 })).rejects.toThrow(/choiceTemperature with/)
    await expect(stepsOf(sampler, { steps: 1, choiceTemperature: 1 })).rejects.toThrow(/choiceTemperature in a single step/)
    await expect(stepsOf(sampler, { steps: [1], selection: 'random' })).rejects.toThrow(/selection in a single step/)
    await sampler[Symbol.asyncDispose]()
  })
})

describe('masked systems', () => {
  it('refuse options that would do nothing, grids that cannot be compressed, and vectors', () => {
    const context = { tokenizer: new ThresholdTokenizer(), classes: 0 }
    expect(() => elm.readOptions({ modeling: 'masked', compress: 2 })).toThrow(OptionError)
    expect(() => elm.readOptions({ modeling: 'diffusion' })).toThrow(/modeling/)
    expect(() => maskgit.readOptions({ compress: 3 })).toThrow(/compress/)
    const odd = Object.assign(new ThresholdTokenizer(), { layout: { parts: [{ shape: [3, 4] }] } })
    expect(() => maskgit.build(maskgit.readOptions({ compress: 2 }), { ...context, tokenizer: odd })).toThrow(/even sides/)
    const vectors = Object.assign(new ThresholdTokenizer(), { unit: { kind: 'vectors', dimension: 2 } })
    expect(() => maskgit.build(maskgit.readOptions({}), { ...context, tokenizer: vectors })).toThrow(MismatchError)
    expect(() => elm.build(elm.readOptions({ modeling: 'masked' }), { ...context, tokenizer: vectors })).toThrow(/elm predicts ids/)
  })

  it('presets are options that are read as they stand', () => {
    for (const system of [elm, maskgit])
      for (const preset of Object.values(system.presets)) expect(system.readOptions(preset)).toEqual(preset)
  })
})
