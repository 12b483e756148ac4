import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { createRng, type Rng } from '../../../../src/base/rng.ts'
import { disa, guidanceScale } from '../../../../src/decode/index.ts'
import { initialize, namedVariables, planReadout } from '../../../../src/nn/index.ts'
import { type Device, openDevice } from '../../../../src/platform/index.ts'
import flowar from '../../../../src/systems/image/flowar.ts'
import type { FlowScaleNetwork } from '../../../../src/systems/image-engines/flow-scale-network.ts'
import type { FlowScaleSampler } from '../../../../src/systems/image-engines/flow-scale-sampler.ts'
import { vectorBatch } from '../../../../src/systems/image-engines/vectors.ts'
import type { SampleOptions, SampleRequest, SampleStep } from '../../../../src/systems/image-system.ts'
import { compile, float32, unsqueeze } from '../../../../src/tensor/index.ts'
import { patches, pyramid } from '../../../../src/tokenizers/index.ts'
import { pyramidCodes, toyPatches, toyPyramid } from '../../../contracts/toy-patches.ts'
import { ThresholdTokenizer, toyPictures } from '../../../contracts/toy-pictures.ts'

let device: Device
let network: FlowScaleNetwork
let sampler: FlowScaleSampler
beforeAll(async () => {
  device = await openDevice({ worker: false, threads: 1 })
  network = flowar.build(small, { tokenizer: toyPyramid(), classes: 2 }) as FlowScaleNetwork
  await initialize(network, createRng(1))
  // Gates and outputs start at 0: weights at random show what layers do.
  for (const [name, variable] of namedVariables(network)) {
    const size = variable.concreteShape.reduce((a, b) => a * b, 1)
    const noise = createRng(2).fold(name).fillNormal(new Float32Array(size))
    await variable.write(noise.map((x) => x * 0.3))
  }
  sampler = network.openSampler(device)
})
afterAll(async () => {
  await sampler[Symbol.asyncDispose]()
  await device[Symbol.asyncDispose]()
})

const small = flowar.readOptions({ width: 16, layers: 2, heads: 2, headWidth: 16, headLayers: 2 })
const sizes = [1, 4, 16]
const values = 21
const rngs = (count: number): Rng[] => Array.from({ length: count }, (_, i) => createRng(9).fold(i))
const normals = (length: number, seed: number) => createRng(seed).fillNormal(new Float32Array(length))
const labels = Int32Array.of(0, 1, 2)

async function last(options: SampleOptions = {}, more: Partial<SampleRequest> = {}): Promise<SampleStep> {
  let step: SampleStep | undefined
  const request = { labels, rngs: rngs(3), options: { innerSteps: 3, ...options }, ...more }
  for await (const each of sampler.sample(request)) step = each
  return step!
}
const draw = async (options: SampleOptions) => [...(await last(options)).values.data]
const greatest = (a: ArrayLike<number>, b: ArrayLike<number>) => Math.max(...Array.from(a, (value, i) => Math.abs(value - b[i]!)))

/** The velocity of some places of a scale, from hidden states of the whole plan; no cache, and a program for each size. */
function openSlow() {
  const whole = compile(network.inputs, (inputs) => planReadout(network, inputs), { device })
  const heads = sizes.map((size) =>
    compile(
      { noised: float32('B', size, 1), hidden: float32('B', size, 16), time: float32('B') },
      ({ noised, hidden, time }) => ({ velocity: network.head.field(noised, unsqueeze(time, 1), hidden) }),
      { device },
    ),
  )
  const rows = (data: Float32Array, k: number, width: number) => {
    const start = sizes.slice(0, k).reduce((a, b) => a + b, 0)
    return data.filter((_, i) => {
      const value = Math.floor(i / width) % values
      return value >= start && value < start + sizes[k]!
    })
  }
  return {
    rows,
    async velocity(k: number, clean: Float32Array, label: Int32Array, noised: Float32Array, time: Float32Array) {
      const hidden = rows((await whole.run({ values: clean, label })).hidden!.data as Float32Array, k, 16)
      return (await heads[k]!.run({ noised, hidden, time })).velocity.data as Float32Array
    },
    async dispose() {
      for (const program of [whole, ...heads]) await program.dispose()
    },
  }
}

it('samples scale by scale as a loop over whole forward passes does, guided below a time', async () => {
  const guidance = guidanceScale('linear', 3)
  const found = (await last({ guidance, guidanceHigh: 0.7, temperature: 0.9 })).values.data
  const slow = openSlow()
  const clean = new Float32Array(3 * values)
  const noise = rngs(3).flatMap((rng) => [...rng.fold('noise').fillNormal(new Float32Array(values))].map((x) => x * 0.9))
  for (const [k, size] of sizes.entries()) {
    const start = sizes.slice(0, k).reduce((a, b) => a + b, 0)
    let x = slow.rows(Float32Array.from(noise), k, 1)
    for (const t of [1, 2 / 3, 1 / 3]) {
      const time = new Float32Array(3).fill(t)
      const c = await slow.velocity(k, clean, labels, x, time)
      const u = await slow.velocity(k, clean, new Int32Array(3).fill(2), x, time)
      const scale = t > 0.7 ? 1 : guidance(k, 3)
      x = x.map((value, i) => value - (u[i]! + scale * (c[i]! - u[i]!)) / 3)
    }
    for (let i = 0; i < x.length; i++) clean[Math.floor(i / size) * values + start + (i % size)] = x[i]!
  }
  await slow.dispose()
  expect(greatest(found, clean)).toBeLessThan(1e-4)
})

it('loses the error of each scale, weighted by its values; scales do not see one another in the head', async () => {
  const program = compile(network.trainingInputs(4), (inputs) => ({ loss: network.loss(inputs).total }), { device })
  const feed = network.feed(vectorBatch(network, 4, normals(4 * values, 3)), Int32Array.of(0, 1, 2, 0), createRng(4))
  expect(new Set(feed.time).size).toBe(4)
  const { loss } = await program.run(feed)
  await program.dispose()
  const slow = openSlow()
  let total = 0
  for (const [k, size] of sizes.entries()) {
    const [x, noise] = [slow.rows(feed.values, k, 1), slow.rows(feed.noise, k, 1)]
    const noised = x.map((value, i) => {
      const t = feed.time[Math.floor(i / size)]!
      return (1 - t) * value + t * noise[i]!
    })
    const said = await slow.velocity(k, feed.values, feed.label, noised, feed.time)
    const error = said.reduce((sum, v, i) => sum + (v - (noise[i]! - x[i]!)) ** 2, 0) / said.length
    total += (size / values) * error
  }
  await slow.dispose()
  expect(loss.data[0]).toBeCloseTo(total, 4)
})

describe('sampling options', () => {
  it.each([[{ temperature: 0.5 }], [{ innerSteps: 4 }], [{ method: 'heun' }], [{ method: 'ab2' }], [{ guidance: 2 }]] as const)(
    '%o changes what is drawn',
    async (options) => {
      const plain = await draw({})
      expect(await draw({})).toEqual(plain)
      expect(greatest(await draw(options), plain)).toBeGreaterThan(1e-4)
    },
  )

  it('guidance counts below a time: nowhere below 0, everywhere below 1', async () => {
    const below = (guidanceHigh: number) => draw({ guidance: 3, guidanceHigh })
    expect(greatest(await below(0.1), await draw({}))).toBeLessThan(1e-4)
    expect(await below(0.9)).toEqual(await draw({ guidance: 3 }))
    expect(greatest(await below(0.9), await below(1))).toBeGreaterThan(1e-4)
    for (const off of [{}, { guidance: 1 }]) await expect(draw({ ...off, guidanceHigh: 0.5 })).rejects.toThrow(/without guidance/)
    await expect(draw({ guidance: 2, guidanceHigh: 1.5 })).rejects.toThrow(/guidance between times/)
  })

  it('runs the backbone once a scale, and the head as often as the solver asks', async () => {
    const counts = async (options: SampleOptions) => {
      const before = sampler.evaluations
      await last(options)
      return [sampler.evaluations.backbone - before.backbone, sampler.evaluations.head - before.head]
    }
    expect(await counts({ innerSteps: 5 })).toEqual([3, 15])
    expect(await counts({ innerSteps: 5, guidance: 2 })).toEqual([3, 15])
    expect(await counts({ innerSteps: 5, method: 'heun' })).toEqual([3, 30])
    expect(await counts({ innerSteps: disa({ upper: 6, lower: 2, schedule: 'linear' }) })).toEqual([3, 6 + 4 + 2])
    expect(await draw({ innerSteps: disa({ upper: 4, lower: 4, schedule: 'cosine' }) })).toEqual(await draw({ innerSteps: 4 }))
  })

  it('refuses solvers that follow no flow', async () => {
    await expect(draw({ method: 'ddpm' as never })).rejects.toThrow(/method is ddpm/)
  })

  it('keeps what is given, and draws finer scales from it', async () => {
    const codes = vectorBatch(network, 3, normals(3 * values, 7))
    const known = Float32Array.from({ length: 3 * values }, (_, i) => Number(i % values < 5 || i % values === 20))
    const drawn = (await last({}, { given: { values: codes, known } })).values.data
    for (const [i, given] of known.entries()) if (given === 1) expect(drawn[i]).toBe(codes.data[i])
    expect(greatest(drawn.slice(5, 20), (await draw({})).slice(5, 20))).toBeGreaterThan(1e-3)
  })
})

it('refuses values that are not vectors of doubling scales', () => {
  const build = (tokenizer: Parameters<typeof flowar.build>[1]['tokenizer'], options: object = {}) =>
    flowar.build({ ...small, ...options }, { tokenizer, classes: 2 })
  const base = patches({ picture: { channels: 1, height: 4, width: 4 }, size: 1 }).toJSON()
  expect(() => build(new ThresholdTokenizer())).toThrow(/predicts vectors/)
  expect(() => build(toyPatches())).toThrow(/scale after scale.*pyramid/s)
  const uneven = pyramid({ base, scales: [1, 3, 4] })
  expect(() => build(uneven)).toThrow(/3×3 after 1×1.*double.*free/s)
  expect(() => build(uneven, { free: true })).not.toThrow()
  expect(() => flowar.readOptions({ wings: 2 })).toThrow(/wings/)
})

it('asks for a deviation near 1 of the finest scale alone', () => {
  const codes = pyramidCodes(toyPictures(32, 1))
  network.checkSamples(codes)
  const coarse = (i: number) => i % values < 5
  const scaled = (factor: number, which: (i: number) => boolean) =>
    vectorBatch(
      network,
      32,
      Float32Array.from(codes.data, (x, i) => (which(i) ? factor * x : x)),
    )
  network.checkSamples(scaled(50, coarse))
  expect(() => network.checkSamples(scaled(0.1, (i) => !coarse(i)))).toThrow(/standard deviation of 0.0/)
})
