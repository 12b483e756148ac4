import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { CodeBatch } from '../../../../src/base/codes.ts'
import { MismatchError, OptionError } from '../../../../src/base/errors.ts'
import { createRng, type Rng } from '../../../../src/base/rng.ts'
import { cosineAlphas, disa } from '../../../../src/decode/index.ts'
import { initialize, namedVariables } from '../../../../src/nn/index.ts'
import { maskSchedule } from '../../../../src/orders/index.ts'
import { type Device, openDevice } from '../../../../src/platform/index.ts'
import mar from '../../../../src/systems/image/mar.ts'
import { MarNetwork } from '../../../../src/systems/image-engines/mar-network.ts'
import { MarSampler, type MaskedVectorNetwork } from '../../../../src/systems/image-engines/mar-sampler.ts'
import type { SampleOptions, SampleRequest, SampleStep } from '../../../../src/systems/image-system.ts'
import {
  add,
  cast,
  compile,
  constant,
  divide,
  expand,
  float32,
  gather,
  int32,
  multiply,
  subtract,
  unsqueeze,
} from '../../../../src/tensor/index.ts'
import { toyPatches } from '../../../contracts/toy-patches.ts'
import { ThresholdTokenizer } from '../../../contracts/toy-pictures.ts'

let device: Device
beforeAll(async () => {
  device = await openDevice({ worker: false, threads: 1 })
})
afterAll(() => device[Symbol.asyncDispose]())

const small = { width: 16, layers: 2, heads: 2, headWidth: 16, headLayers: 1 }

/** Random weights throughout: gates that start at 0 would hide what layers do. */
async function randomNetwork(options: object = {}): Promise<MarNetwork> {
  const built = new MarNetwork('mar', mar.readOptions({ ...small, ...options }) as never, { tokenizer: toyPatches(), classes: 2 })
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

async function stepsOf(sampler: MarSampler, options: SampleOptions, extra: Partial<SampleRequest> = {}): Promise<SampleStep[]> {
  const steps: SampleStep[] = []
  const labels = Int32Array.of(0, 1)
  for await (const step of sampler.sample({ labels, rngs: rngs(2), options, ...extra })) steps.push(step)
  return steps
}

const last = async (sampler: MarSampler, options: SampleOptions, extra: Partial<SampleRequest> = {}) => [
  ...(await stepsOf(sampler, options, extra)).at(-1)!.values.data,
]

it('training loses by masked vectors only, and does not see them', async () => {
  const built = await randomNetwork({ leastMasked: 0 })
  const data = createRng(3).fillNormal(new Float32Array(3 * 16))
  const samples: CodeBatch = { kind: 'vectors', dimension: 4, layout: built.layout, count: 3, data }
  const program = compile(
    built.trainingInputs(3),
    (inputs) => {
      const { noise, timestep, values } = inputs as Record<'noise' | 'timestep' | 'values', never>
      const hidden = built.hidden(inputs)
      return { hidden, loss: built.loss(inputs).total, errors: built.head.loss(hidden, values, { noise, timestep }) }
    },
    { device },
  )
  const feed = built.feed(samples, Int32Array.of(0, 1, 2), createRng(4))
  const masked = [...feed.known.keys()].filter((value) => feed.known[value] === 0)
  expect(masked.length).toBeGreaterThan(0)
  expect(masked.length).toBeLessThan(feed.known.length)
  const { hidden, loss, errors } = await program.run(feed)
  expect(loss.data[0]).toBeCloseTo(masked.reduce((sum, value) => sum + (errors.data[value] as number), 0) / masked.length, 5)
  const moved = (which: number) => feed.values.map((x, i) => (feed.known[i >> 2] === which ? x + 1 : x))
  expect([...(await program.run({ ...feed, values: moved(0) })).hidden.data]).toEqual([...hidden.data])
  expect([...(await program.run({ ...feed, values: moved(1) })).hidden.data]).not.toEqual([...hidden.data])
  await program.dispose()
})

const means = [1, -2, 0.5]
const deviation = 0.5

/** Vectors that are normal about what the hidden state says, with the exact ε of noisy ones: hidden states are the means of the classes. */
const normals: MaskedVectorNetwork = {
  classes: 2,
  labelDrop: 0.1,
  layout: { parts: [{ shape: [6] }] },
  dimension: 2,
  width: 2,
  inputsFor: (batch) => ({ values: float32(batch, 6, 2), known: float32(batch, 6), label: int32(batch) }),
  hidden: ({ label }) => {
    const mean = gather(
      constant(
        means.flatMap((x) => [x, x]),
        [3, 2],
      ),
      label!,
    )
    return expand(unsqueeze(mean, 1), [label!.shape[0]!, 6, 2])
  },
  head: {
    alphas: cosineAlphas(),
    field(values, time, hidden) {
      const alpha = (of: (alpha: number) => number) =>
        unsqueeze(gather(constant([...cosineAlphas()].map(of), [1000]), cast(time, 'int32')), -1)
      const noise = multiply(
        alpha((a) => Math.sqrt(1 - a)),
        subtract(values, multiply(alpha(Math.sqrt), hidden)),
      )
      return divide(
        noise,
        add(
          multiply(
            alpha((a) => a),
            deviation ** 2,
          ),
          alpha((a) => 1 - a),
        ),
      )
    },
  },
}

const moments = (values: readonly number[]) => {
  const mean = values.reduce((sum, x) => sum + x, 0) / values.length
  return { mean, deviation: Math.sqrt(values.reduce((sum, x) => sum + (x - mean) ** 2, 0) / values.length) }
}

describe('a sampler of masked vectors', () => {
  it('draws from the distribution of the head', async () => {
    const sampler = new MarSampler(normals, device)
    const many = { labels: new Int32Array(400), rngs: rngs(400) }
    const drawn = moments(await last(sampler, { steps: 3, innerSteps: 60 }, many))
    expect(Math.abs(drawn.mean - 1)).toBeLessThan(0.05)
    expect(Math.abs(drawn.deviation - deviation)).toBeLessThan(0.05)
    const cooled = moments(await last(sampler, { steps: 3, innerSteps: 60, temperature: 0 }, many))
    expect(cooled.deviation).toBeLessThan(0.8 * deviation)
    await sampler[Symbol.asyncDispose]()
  })

  it('guides ε and hidden states alike where ε is linear in them', async () => {
    const sampler = new MarSampler(normals, device)
    const many = { labels: new Int32Array(400), rngs: rngs(400) }
    const options = { steps: 3, innerSteps: 30, guidance: 3 }
    const hidden = await last(sampler, { ...options, guidanceSpace: 'hidden' }, many)
    expect(Math.abs(moments(hidden).mean - (0.5 + 3 * (1 - 0.5)))).toBeLessThan(0.05)
    const eps = await last(sampler, options, many)
    expect(Math.max(...eps.map((x, i) => Math.abs(x - hidden[i]!)))).toBeLessThan(1e-3)
    await sampler[Symbol.asyncDispose]()
  })

  it('takes exactly the steps that an annealed schedule says, and is the plain sampler where it does not fall', async () => {
    const built = await randomNetwork()
    const sampler = built.openSampler(device)
    const plain = await last(sampler, { steps: 4, innerSteps: 6 })
    expect(sampler.evaluations).toEqual({ backbone: 4, head: 24 })
    for (const schedule of ['linear', 'cosine', 'two-stage', 'constant'] as const)
      expect(await last(sampler, { steps: 4, innerSteps: disa({ upper: 6, lower: 6, schedule }) })).toEqual(plain)
    expect(sampler.evaluations).toEqual({ backbone: 20, head: 120 })
    const falling = disa({ upper: 7, lower: 1, schedule: 'linear' })
    expect(await last(sampler, { steps: 4, innerSteps: falling })).not.toEqual(plain)
    expect(sampler.evaluations).toEqual({ backbone: 24, head: 120 + 7 + 5 + 3 + 1 })
    await last(sampler, { steps: 4, innerSteps: 2, guidance: 2 })
    expect(sampler.evaluations).toEqual({ backbone: 28, head: 136 + 8 })
    await sampler[Symbol.asyncDispose]()
  })

  it('settles as many values as the schedule says, in an order of each sample, and never changes them', async () => {
    const sampler = new MarSampler(normals, device)
    const orders = new Set<string>()
    for (let seed = 0; seed < 8; seed++) {
      const known = Float32Array.from({ length: 6 }, (_, value) => Number(value === 2))
      const values = {
        kind: 'vectors',
        dimension: 2,
        layout: normals.layout,
        count: 1,
        data: new Float32Array(12).fill(7),
      } as const
      const request = { labels: Int32Array.of(0), rngs: [createRng(seed)], given: { values, known } }
      const steps = await stepsOf(sampler, { steps: 3, innerSteps: 2 }, request)
      let before: { values: Float32Array; known: Float32Array } = { values: values.data, known }
      for (const [index, masked] of maskSchedule('cosine', { values: 5, steps: 3 }).entries()) {
        const now = { values: steps[index]!.values.data as Float32Array, known: steps[index]!.known }
        expect(now.known.reduce((sum, x) => sum + x, 0)).toBe(6 - masked)
        for (let i = 0; i < 12; i++) if (before.known[i >> 1] === 1) expect(now.values[i]).toBe(before.values[i])
        before = now
      }
      orders.add(steps.map(({ known: now }) => now.join('')).join(' '))
    }
    expect(orders.size).toBeGreaterThan(3)
    await sampler[Symbol.asyncDispose]()
  })

  it('heeds every option', async () => {
    const built = await randomNetwork()
    const sampler = built.openSampler(device)
    const options: SampleOptions = { steps: 3, innerSteps: 4, guidance: 2 }
    const plain = await last(sampler, options)
    expect(await last(sampler, { ...options, guidanceSpace: 'eps', temperature: 1 })).toEqual(plain)
    const changes: SampleOptions[] = [
      { steps: 2 },
      { innerSteps: 3 },
      { guidance: 1 },
      { guidance: (step) => step },
      { guidanceSpace: 'hidden' },
      { temperature: 0.5 },
    ]
    for (const change of changes) expect(await last(sampler, { ...options, ...change }), Object.keys(change)[0]!).not.toEqual(plain)
    await sampler[Symbol.asyncDispose]()
  })

  it('keeps what the head says within the bound', async () => {
    const built = await randomNetwork({ predicts: 'eps', clip: 0.7 })
    const sampler = built.openSampler(device)
    expect(Math.max(...(await last(sampler, { innerSteps: 5 })).map(Math.abs))).toBeLessThanOrEqual(Math.fround(0.7) + 1e-6)
    await sampler[Symbol.asyncDispose]()
  })

  it('refuses what cannot be done', async () => {
    const sampler = new MarSampler(normals, device)
    await expect(stepsOf(sampler, { steps: 7 })).rejects.toThrow(/7 steps for 6 values/)
    for (const off of [{}, { guidance: 1 }])
      await expect(stepsOf(sampler, { ...off, guidanceSpace: 'hidden' })).rejects.toThrow(/guidanceSpace without guidance/)
    for (const innerSteps of [0, 1001, 2.5, () => 0]) await expect(stepsOf(sampler, { innerSteps })).rejects.toThrow(OptionError)
    await sampler[Symbol.asyncDispose]()
  })
})

describe('mar', () => {
  it('refuses ids and unknown options', () => {
    expect(() => mar.build(mar.readOptions({}), { tokenizer: new ThresholdTokenizer(), classes: 0 })).toThrow(MismatchError)
    for (const bad of [{ compress: 2 }, { predicts: 'x' }, { leastMasked: 1 }, { draws: 0 }, { clip: 0 }])
      expect(() => mar.readOptions(bad)).toThrow(OptionError)
  })

  it('presets are options that are read as they stand', () => {
    for (const preset of Object.values(mar.presets)) expect(mar.readOptions(preset)).toEqual(preset)
  })

  it('masks mostly, and at least as much as it is told', async () => {
    const built = await randomNetwork({ leastMasked: 0.7 })
    const data = new Float32Array(8 * 16)
    const samples: CodeBatch = { kind: 'vectors', dimension: 4, layout: built.layout, count: 8, data }
    const seen = new Set<number>()
    for (let step = 0; step < 20; step++) {
      const { known } = built.feed(samples, new Int32Array(8), createRng(step))
      for (let sample = 0; sample < 8; sample++) seen.add(known.subarray(sample * 4, sample * 4 + 4).reduce((a, b) => a + b, 0))
    }
    expect([...seen].sort()).toEqual([0, 1])
  })
})
