import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { NonFiniteError, OptionError } from '../../../../src/base/errors.ts'
import { createRng } from '../../../../src/base/rng.ts'
import { namedVariables } from '../../../../src/nn/index.ts'
import { type Device, openDevice } from '../../../../src/platform/index.ts'
import { FlowSampler, type FlowStack, type FlowStackOptions, type InverseRequest } from '../../../../src/systems/image/starflow.ts'
import type { SampleOptions, SampleRequest, SampleStep } from '../../../../src/systems/image-system.ts'
import { compile, float32, int32 } from '../../../../src/tensor/index.ts'
import { largestDifference, normals, randomFlow, tiny } from './flow-bench.ts'

let device: Device
beforeAll(async () => {
  device = await openDevice({ worker: false, threads: 1 })
})
afterAll(() => device[Symbol.asyncDispose]())

const labels = Int32Array.of(0, 1, 2, 3, 1)

function evaluate(flow: FlowStack, values: Float32Array, of: Int32Array) {
  const program = compile(
    { values: float32('B', flow.slots, flow.dimension), labels: int32('B') },
    (given) => ({ ...flow.forward(given.values, given.labels), logProb: flow.logProb(given.values, given.labels) }),
    { device },
  )
  return program.run({ values, labels: of })
}

const rngOf = (sample: number) => createRng(11).fold(sample)

function drawn(): Float32Array {
  return Float32Array.from([...labels.keys()].flatMap((sample) => [...rngOf(sample).fold('z').fillNormal(new Float32Array(16))]))
}

async function steps(sampler: FlowSampler, options: SampleOptions, samples: readonly number[], more: Partial<SampleRequest> = {}) {
  const request = { labels: Int32Array.from(samples, (i) => labels[i]!), rngs: samples.map(rngOf), options, ...more }
  const all: SampleStep[] = []
  for await (const step of sampler.sample(request)) all.push(step)
  return all
}

async function sampled(sampler: FlowSampler, options: SampleOptions = {}, samples = [...labels.keys()]): Promise<Float32Array> {
  return (await steps(sampler, options, samples)).at(-1)!.values.data as Float32Array
}

const by = (inverse: InverseRequest): SampleOptions => ({ special: { inverse } })

const ways: InverseRequest[] = [
  { kind: 'jacobi', tolerance: 1e-30 },
  { kind: 'jacobi', tolerance: 1e-6, start: 'zeros' },
  { kind: 'gauss-seidel-jacobi', segments: 1, tolerance: 1e-6 },
  { kind: 'gauss-seidel-jacobi', segments: 2, tolerance: 1e-6 },
  { kind: 'gauss-seidel-jacobi', segments: 4, tolerance: 1e-6 },
  [{ kind: 'jacobi', tolerance: 1e-6 }, { kind: 'sequential' }, { kind: 'gauss-seidel-jacobi', segments: 2, tolerance: 1e-6 }],
]

describe.each<[string, Partial<FlowStackOptions>]>([
  ['softplus scales and learned positions, in the kernel that grows caches', {}],
  ['exp scales and rotary positions, in plain operators', { scale: 'exp', positions: 'rotary', heads: 4 }],
  ['all blocks conditioned', { conditioned: 'all' }],
])('a flow with %s', (_name, options) => {
  let flow: FlowStack
  let sampler: FlowSampler
  beforeAll(async () => {
    flow = await randomFlow(options, options.scale === 'exp' ? 0.15 : 0.3)
    sampler = new FlowSampler(flow, { layout: tiny.layout, device, noise: 0, guidable: true })
  })
  afterAll(() => sampler[Symbol.asyncDispose]())

  it('maps samples back to the numbers that they were made of', async () => {
    const values = await sampled(sampler)
    const { z } = await evaluate(flow, values, labels)
    expect(largestDifference(values, drawn())).toBeGreaterThan(0.5)
    expect(largestDifference(z.data as Float32Array, drawn())).toBeLessThan(1e-4)
    const calm = await sampled(sampler, { temperature: 0.5 })
    const { z: half } = await evaluate(flow, calm, labels)
    expect(
      largestDifference(
        (half.data as Float32Array).map((x) => 2 * x),
        drawn(),
      ),
    ).toBeLessThan(1e-4)
  })

  it('gives the same by all inverses, guided or not', async () => {
    for (const guidance of [1, 3]) {
      const exact = await sampled(sampler, { guidance })
      for (const inverse of ways) {
        const values = await sampled(sampler, { guidance, ...by(inverse) })
        expect(largestDifference(values, exact), JSON.stringify(inverse)).toBeLessThan(1e-4)
        expect(sampler.report!.incidents).toEqual([])
      }
    }
    const auto = await sampled(sampler, by('auto'))
    expect(largestDifference(auto, await sampled(sampler))).toBeLessThan(1e-3)
  })

  it('makes samples that do not depend on their company', async () => {
    for (const options of [{ guidance: 2 }, { guidance: 2, ...by({ kind: 'jacobi', tolerance: 1e-3 }) }]) {
      const all = await sampled(sampler, options)
      const some = await sampled(sampler, options, [3, 1])
      expect(largestDifference(some, [...all.subarray(48, 64), ...all.subarray(16, 32)])).toBeLessThan(1e-5)
    }
    // A single sample's segments run in the kernel that grows caches, those of several in plain operators.
    const segments = by({ kind: 'gauss-seidel-jacobi', segments: 2, tolerance: 1e-6 })
    const [all, alone] = [await sampled(sampler, segments), await sampled(sampler, segments, [2])]
    expect(largestDifference(alone, all.subarray(32, 48))).toBeLessThan(1e-4)
  })
})

describe('sampling', () => {
  let flow: FlowStack
  let sampler: FlowSampler
  let noisy: FlowSampler
  beforeAll(async () => {
    flow = await randomFlow()
    sampler = new FlowSampler(flow, { layout: tiny.layout, device, noise: 0, guidable: true })
    noisy = new FlowSampler(flow, { layout: tiny.layout, device, noise: 0.1, guidable: false })
  })
  afterAll(async () => {
    await sampler[Symbol.asyncDispose]()
    await noisy[Symbol.asyncDispose]()
  })

  it('yields a preview after each block, and counts calls of blocks and slots', async () => {
    const before = [sampler.evaluations.backbone, sampler.slotEvaluations]
    const all = await steps(sampler, {}, [0, 1])
    expect(all.map(({ step, steps, known, values }) => [step, steps, known[0], known.length, values.count])).toEqual([
      [1, 3, 0, 8, 2],
      [2, 3, 0, 8, 2],
      [3, 3, 1, 8, 2],
    ])
    // Three blocks of four slots, for two samples.
    expect([sampler.evaluations.backbone - before[0]!, sampler.slotEvaluations - before[1]!]).toEqual([12, 24])
    await steps(sampler, { guidance: 2 }, [0, 1])
    // The deep block has two rows per sample.
    expect([sampler.evaluations.backbone - before[0]!, sampler.slotEvaluations - before[1]!]).toEqual([24, 56])
    await steps(sampler, by({ kind: 'jacobi', tolerance: 1e-30, iterations: 2 }), [0, 1])
    expect([sampler.evaluations.backbone - before[0]!, sampler.slotEvaluations - before[1]!]).toEqual([30, 104])
    expect(sampler.report).toMatchObject({ iterations: [2, 2, 2] })
    expect(sampler.report!.incidents.length).toBe(3)
  })

  it('takes guidance 1 as none, and schedules by slots', async () => {
    const plain = await sampled(sampler)
    expect(await sampled(sampler, { guidance: 1 })).toEqual(plain)
    expect(await sampled(sampler, { guidance: () => 1 })).toEqual(plain)
    expect(largestDifference(await sampled(sampler, { guidance: 1 + 1e-7 }), plain)).toBeLessThan(1e-4)
    const strong = await sampled(sampler, { guidance: 4 })
    expect(await sampled(sampler, { guidance: () => 4 })).toEqual(strong)
    const asked: [number, number][] = []
    const late = await sampled(sampler, {
      guidance: (slot, slots) => {
        asked.push([slot, slots])
        return slot < 2 ? 1 : 4
      },
    })
    expect(asked).toEqual([0, 1, 2, 3].map((slot) => [slot, 4]))
    for (const other of [plain, strong]) expect(largestDifference(late, other)).toBeGreaterThan(1e-3)
    const linear = await sampled(sampler, { guidance: 4, special: { rule: 'linear' } })
    for (const other of [plain, strong]) expect(largestDifference(linear, other)).toBeGreaterThan(1e-3)
    // Samples without a class are guided towards nothing.
    const none = labels.indexOf(3)
    expect(largestDifference(await sampled(sampler, { guidance: 4 }, [none]), await sampled(sampler, {}, [none]))).toBeLessThan(
      1e-4,
    )
  })

  it('keeps samplings apart that run at once', async () => {
    const options = by({ kind: 'gauss-seidel-jacobi', segments: 2, tolerance: 1e-6 })
    const [one, other] = [await sampled(sampler, options, [0, 1]), await sampled(sampler, {}, [2, 3])]
    const both = await Promise.all([sampled(sampler, options, [0, 1]), sampled(sampler, {}, [2, 3])])
    expect(both).toEqual([one, other])
  })

  it('takes Gaussian noise out by the gradient of log p', async () => {
    const raw = await sampled(noisy, { special: { denoise: false } })
    const clean = await sampled(noisy)
    expect(raw).toEqual(await sampled(sampler))
    const step = 1e-2
    for (const i of [0, 7, 15]) {
      const logProbs = [step, -step].map(
        async (by) => (await evaluate(flow, raw.with(i, raw[i]! + by), labels)).logProb.data[0] as number,
      )
      const [up, down] = await Promise.all(logProbs)
      const score = (up! - down!) / (2 * step)
      expect(Math.abs(clean[i]! - raw[i]! - 0.01 * score)).toBeLessThan(2e-3 * Math.max(1, Math.abs(score)))
    }
    expect((await steps(noisy, {}, [0])).map(({ step, steps }) => [step, steps])).toEqual([1, 2, 3, 4].map((step) => [step, 4]))
  })

  it.each<[string, SampleOptions, Partial<SampleRequest>?]>([
    ['guidance below 1', { guidance: 0.5 }],
    ['guidance that is not finite', { guidance: Number.POSITIVE_INFINITY }],
    ['a schedule that falls below 1', { guidance: (slot) => 2 - slot }],
    ['a negative temperature', { temperature: -1 }],
    ['an unknown special option', { special: { inverses: 'auto' } }],
    ['a tolerance of 0', { special: { inverse: 'auto', tolerance: 0 } }],
    ['segments that do not divide the slots', by({ kind: 'gauss-seidel-jacobi', segments: 3, tolerance: 1e-3 })],
    [
      'nothing to calibrate on',
      { special: { inverse: 'auto', calibrate: { values: new Float32Array(0), labels: new Int32Array(0) } } },
    ],
    [
      'calibration data of another size',
      { special: { inverse: 'auto', calibrate: { values: normals('x', 15), labels: new Int32Array(1) } } },
    ],
    ['denoising without noise', { special: { denoise: true } }],
    ['calibration without auto', { special: { calibrate: { values: normals('x', 16), labels: new Int32Array(1) } } }],
    ['a tolerance without auto', { special: { inverse: { kind: 'jacobi', tolerance: 1e-3 }, tolerance: 1e-3 } }],
    ['a rule without guidance', { special: { rule: 'linear' } }],
    ['a rule with guidance 1', { guidance: 1, special: { rule: 'linear' } }],
    ['a rule for samples without a class', { guidance: 2, special: { rule: 'linear' } }, { labels: Int32Array.of(3) }],
    ['labels beyond the classes', {}, { labels: Int32Array.of(4) }],
    ['labels without generators', {}, { rngs: [] }],
    ['no samples', {}, { labels: new Int32Array(0), rngs: [] }],
    [
      'given values',
      {},
      {
        given: {
          values: { layout: tiny.layout, count: 1, kind: 'vectors', dimension: 4, data: new Float32Array(16) },
          known: new Float32Array(4),
        },
      },
    ],
  ])('refuses %s', async (_name, options, more = {}) => {
    await expect(steps(sampler, options, [0], more)).rejects.toThrow(OptionError)
  })

  it('calibrates anew after a calibration that failed', async () => {
    const calibrate = { values: new Float32Array(2 * 16).fill(Number.NaN), labels: Int32Array.of(0, 1) }
    const options: SampleOptions = { special: { inverse: 'auto', calibrate } }
    await expect(sampled(sampler, options)).rejects.toThrow(NonFiniteError)
    calibrate.values.set(normals('calibration', 2 * 16))
    expect(largestDifference(await sampled(sampler, options), await sampled(sampler))).toBeLessThan(1e-3)
  })

  it('refuses guidance of a flow that was trained without label drop', async () => {
    await expect(steps(noisy, { guidance: 2 }, [0])).rejects.toThrow('label drop')
  })

  it('measures what one iteration leaves, and how tough blocks are', async () => {
    const values = normals('data', labels.length * 16)
    const metrics = await sampler.metrics({ values, labels })
    const states = compile(
      { values: float32('B', 4, 4), labels: int32('B') },
      (given) => Object.fromEntries(flow.states(given.values, given.labels).states.map((state, i) => [`${i}`, state])),
      { device },
    )
    const at = (await states.run({ values, labels })) as Record<string, { readonly data: Float32Array }>
    for (const [index, block] of flow.blocks.entries()) {
      const affine = compile(
        { values: float32('B', 4, 4), labels: int32('B') },
        (given) => ({ ...block.affine(given.values, given.labels) }),
        { device },
      )
      const own = (data: Float32Array) => {
        const out = data.slice()
        for (let sample = 0; sample < labels.length; sample++)
          for (const [slot, value] of block.targets.entries())
            out.set(data.subarray(sample * 16 + value * 4, sample * 16 + value * 4 + 4), sample * 16 + slot * 4)
        return out
      }
      const [x, z] = [own(at[index]!.data), own(at[index + 1]!.data)]
      for (const [name, guess] of [
        ['z', z],
        ['zeros', z.map(() => 0)],
      ] as const) {
        const { mean, logScale } = await affine.run({ values: guess, labels })
        const residual = x.map((value, i) => Math.exp(logScale.data[i] as number) * z[i]! + (mean.data[i] as number) - value)
        const norms = [...labels.keys()].map((sample) => Math.hypot(...residual.subarray(sample * 16, (sample + 1) * 16)))
        expect(metrics[index]!.initialGuess[name]).toBeCloseTo(norms.reduce((sum, norm) => sum + norm, 0) / norms.length, 3)
      }
      const { logScale } = await affine.run({ values: x, labels })
      const spread = new Float64Array(16)
      for (const [i, value] of x.entries()) spread[i % 16]! += (value * Math.exp(-(logScale.data[i] as number))) / labels.length
      const weight = (await namedVariables(block).get('head.output.weight')!.read()) as Float32Array
      const half = weight.length / 2
      const expected = Math.hypot(...spread) * Math.hypot(...weight.subarray(half)) + Math.hypot(...weight.subarray(0, half))
      expect(metrics[index]!.convergenceRanking / expected).toBeCloseTo(1, 4)
    }
  })

  it('plans by data: by its own samples when none are given', async () => {
    await sampled(sampler, { special: { inverse: 'auto', tolerance: 1e-3 } }, [0])
    expect(sampler.report!.plan).toHaveLength(3)
    const calibrate = { values: normals('data', 32), labels: Int32Array.of(0, 1) }
    await sampled(sampler, { special: { inverse: 'auto', tolerance: 1e-3, calibrate } }, [0])
    expect(sampler.report!.plan).toHaveLength(3)
    // What was learnt of the same data is kept.
    const calls = sampler.evaluations.backbone
    await sampled(sampler, { special: { inverse: 'auto', tolerance: 1e-3, calibrate } }, [0])
    expect(sampler.evaluations.backbone - calls).toBe(sampler.report!.iterations.reduce((sum, count) => sum + count, 0))
  })
})

it('numbers that overflow are an error that names the block, whatever the way', async () => {
  const flow = await randomFlow({ scale: 'exp', layers: [1] }, 60)
  const sampler = new FlowSampler(flow, { layout: tiny.layout, device, noise: 0, guidable: true })
  try {
    await expect(sampled(sampler)).rejects.toThrow(NonFiniteError)
    await expect(sampled(sampler)).rejects.toThrow(/inverting block 0: slot \d of sample \d is not finite/)
    await expect(sampled(sampler, by({ kind: 'jacobi', tolerance: 1e-4 }))).rejects.toThrow(/block 0/)
    expect(
      (await sampler.metrics({ values: normals('data', 32).map((x) => 1e3 * x), labels: Int32Array.of(0, 1) }))[0]!.initialGuess.z,
    ).toBe(Infinity)
  } finally {
    await sampler[Symbol.asyncDispose]()
  }
})
