import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { createRng, type Rng } from '../../../../src/base/rng.ts'
import { everything } from '../../../../src/base/visibility.ts'
import { disa, guidanceScale } from '../../../../src/decode/index.ts'
import { openPlanStepper } from '../../../../src/engine/index.ts'
import { initialize, namedVariables, planReadout } from '../../../../src/nn/index.ts'
import type { CellOptions } from '../../../../src/orders/index.ts'
import { type Device, openDevice } from '../../../../src/platform/index.ts'
import xar from '../../../../src/systems/image/xar.ts'
import { NoisyNetwork } from '../../../../src/systems/image-engines/noisy-network.ts'
import type { NoisySampler } from '../../../../src/systems/image-engines/noisy-sampler.ts'
import { vectorBatch } from '../../../../src/systems/image-engines/vectors.ts'
import { createImageModel } from '../../../../src/systems/image-model.ts'
import type { SampleOptions, SampleRequest, SampleStep } from '../../../../src/systems/image-system.ts'
import { imageTask } from '../../../../src/systems/image-task.ts'
import { compile } from '../../../../src/tensor/index.ts'
import { patchCodes, toyPatches } from '../../../contracts/toy-patches.ts'
import { ThresholdTokenizer, toyPictures } from '../../../contracts/toy-pictures.ts'

let device: Device
beforeAll(async () => {
  device = await openDevice({ worker: false, threads: 1 })
})
afterAll(() => device[Symbol.asyncDispose]())

/** Random weights throughout, gates and outputs included, which would start at 0. */
async function network(order: CellOptions): Promise<NoisyNetwork> {
  const made = new NoisyNetwork(order, { width: 16, layers: 2, heads: 2, labelDrop: 0.1 }, { tokenizer: toyPatches(), classes: 2 })
  await initialize(made, createRng(1))
  for (const [name, variable] of namedVariables(made)) {
    const size = variable.concreteShape.reduce((a, b) => a * b, 1)
    const noise = createRng(2).fold(name).fillNormal(new Float32Array(size))
    await variable.write(noise.map((x) => x * 0.2))
  }
  return made
}

const rngs = (count: number): Rng[] => Array.from({ length: count }, (_, i) => createRng(9).fold(i))
const normals = (length: number, seed: number) => createRng(seed).fillNormal(new Float32Array(length))

async function last(sampler: NoisySampler, options: SampleOptions = {}, more: Partial<SampleRequest> = {}): Promise<SampleStep> {
  let step: SampleStep | undefined
  const request = { labels: Int32Array.of(0, 1, 2), rngs: rngs(3), options: { innerSteps: 3, ...options }, ...more }
  for await (const each of sampler.sample(request)) step = each
  return step!
}

/** Velocities `[batch, slot, 4]` of the whole plan at once. */
function openWhole(built: NoisyNetwork, plan = built.plan) {
  return compile(built.inputs, (inputs) => planReadout({ ...built, ...bound(built), plan }, inputs), { device })
}

const bound = (built: NoisyNetwork) => ({
  inputs: built.inputs,
  embed: built.embed.bind(built),
  readout: built.readout.bind(built),
})

const greatest = (a: ArrayLike<number>, b: ArrayLike<number>) => Math.max(...Array.from(a, (value, i) => Math.abs(value - b[i]!)))

const orders: CellOptions[] = [
  { unit: 'cell', groups: [2, 1] },
  { unit: 'cell', groups: [2, 1], context: 'clean' },
  { unit: 'subsample', groups: [1, 2], context: 'clean' },
  { unit: 'token' },
]

/** Values of each group, in order, by hand: a grid of 2×2. */
const groupsOf = ({ unit }: CellOptions) =>
  unit === 'token'
    ? [[0], [1], [2], [3]]
    : unit === 'subsample'
      ? [
          [0, 2],
          [1, 3],
        ]
      : [
          [0, 1],
          [2, 3],
        ]

describe.each(orders)('noisy values by %o', (order) => {
  it('decodes with a cache as the full mask says', async () => {
    const built = await network(order)
    await using stepper = openPlanStepper(built, device)
    const whole = openWhole(built)
    const [clean, noise] = [normals(32, 3), normals(32, 4)]
    const label = Int32Array.of(1, 2)
    const copies = order.context === 'clean'
    await stepper.begin(2)
    let slot = 0
    for (const [k, group] of groupsOf(order).entries()) {
      const inGroup = (i: number) => group.includes(Math.floor(i / 4) % 4)
      const noisy = clean.map((x, i) => (inGroup(i) ? 0.3 * x + 0.7 * noise[i]! : copies ? noise[i]! : x))
      const time = Float32Array.from({ length: 8 }, (_, i) => (group.includes(i % 4) ? 0.7 : 0))
      const feeds = { noisy, time, label, ...(copies && { values: clean }) }
      const range = { start: slot, end: slot + group.length }
      const { velocity } = await stepper.step(feeds, range, { commit: false })
      const slots = built.plan.length
      const full = (await whole.run(feeds)).velocity!.data as Float32Array
      const wanted = full.filter((_, i) => Math.floor(i / 4) % slots >= range.start && Math.floor(i / 4) % slots < range.end)
      expect(greatest(velocity!, wanted)).toBeLessThan(1e-4)
      if (k === groupsOf(order).length - 1) break
      const again = copies ? { start: range.end, end: range.end + group.length } : range
      await stepper.step({ noisy: clean, time: new Float32Array(8), label, ...(copies && { values: clean }) }, again, {
        commit: true,
      })
      slot = again.end
    }
    await whole.dispose()
  })

  it('samples as a plain loop over whole forward passes does, guided', async () => {
    const built = await network(order)
    await using sampler = built.openSampler(device)
    const guidance = guidanceScale('linear', 3)
    const { values, known } = await last(sampler, { guidance, temperature: 0.9 })
    expect(known.every((value) => value === 1)).toBe(true)
    const expected = await slowSample(built, groupsOf(order), guidance, order.context === 'clean')
    expect(greatest(values.data, expected)).toBeLessThan(1e-4)
  })
})

/** Three samples by three Euler steps each group, with the whole plan run every time, one arm after the other. */
async function slowSample(built: NoisyNetwork, groups: number[][], scale: (k: number, K: number) => number, copies: boolean) {
  const whole = openWhole(built)
  const values = new Float32Array(48)
  const noise = rngs(3).flatMap((rng) => [...rng.fold('noise').fillNormal(new Float32Array(16))])
  const { target, length } = built.plan
  for (const [k, group] of groups.entries()) {
    for (const value of group)
      for (let s = 0; s < 3; s++) for (let i = 0; i < 4; i++) put(s, value, i, 0.9 * noise[s * 16 + value * 4 + i]!)
    for (const t of [1, 2 / 3, 1 / 3]) {
      const time = Float32Array.from({ length: 12 }, (_, i) => (group.includes(i % 4) ? t : 0))
      const arm = async (label: Int32Array) =>
        (await whole.run({ noisy: values, time, label, ...(copies && { values }) })).velocity!.data as Float32Array
      const [c, u] = [await arm(Int32Array.of(0, 1, 2)), await arm(Int32Array.of(2, 2, 2))]
      for (const value of group) {
        const slot = target.indexOf(value)
        for (let s = 0; s < 3; s++)
          for (let i = 0; i < 4; i++) {
            const at = (s * length + slot) * 4 + i
            put(s, value, i, values[s * 16 + value * 4 + i]! - (u[at]! + scale(k, groups.length) * (c[at]! - u[at]!)) / 3)
          }
      }
    }
  }
  await whole.dispose()
  return values

  function put(sample: number, value: number, i: number, number: number) {
    values[sample * 16 + value * 4 + i] = number
  }
}

describe('unit image is plain flow matching', () => {
  it('loses the mean squared error of ε − x with one time per sample and no mask', async () => {
    const built = await network({ unit: 'image' })
    const program = compile(built.trainingInputs(5), (inputs) => ({ loss: built.loss(inputs).total }), { device })
    const whole = openWhole(built, { ...built.plan, visibility: everything })
    const feed = built.feed(vectorBatch(built, 5, normals(80, 5)), Int32Array.of(0, 1, 2, 0, 1), createRng(6))
    for (let sample = 0; sample < 5; sample++) expect(new Set(feed.time.subarray(sample * 4, sample * 4 + 4)).size).toBe(1)
    expect(new Set(feed.time).size).toBe(5)
    const noisy = feed.values.map((x, i) => (1 - feed.time[i >> 2]!) * x + feed.time[i >> 2]! * feed.noise[i]!)
    const said = (await whole.run({ noisy, time: feed.time, label: feed.label })).velocity!.data as Float32Array
    const squares = said.map((v, i) => (v - (feed.noise[i]! - feed.values[i]!)) ** 2)
    const { loss } = await program.run(feed)
    expect(loss.data[0]).toBeCloseTo(squares.reduce((a, b) => a + b) / 80, 4)
    await program.dispose()
    await whole.dispose()
  })

  it('samples by Euler over the whole picture', async () => {
    const built = await network({ unit: 'image' })
    await using sampler = built.openSampler(device)
    const { values, steps } = await last(sampler, { guidance: 1 })
    expect(steps).toBe(1)
    const whole = openWhole(built, { ...built.plan, visibility: everything })
    let x = Float32Array.from(rngs(3).flatMap((rng) => [...rng.fold('noise').fillNormal(new Float32Array(16))]))
    for (const t of [1, 2 / 3, 1 / 3]) {
      const feeds = { noisy: x, time: new Float32Array(12).fill(t), label: Int32Array.of(0, 1, 2) }
      const v = (await whole.run(feeds)).velocity!.data as Float32Array
      x = x.map((value, i) => value - v[i]! / 3)
    }
    await whole.dispose()
    expect(greatest(values.data, x)).toBeLessThan(1e-4)
  })
})

it('training draws a time for every group of every sample, sigmoid-normal', async () => {
  const built = await network({ unit: 'cell', groups: [2, 1] })
  const count = 2000
  const { time } = built.feed(vectorBatch(built, count, new Float32Array(16 * count)), new Int32Array(count), createRng(1))
  const logits = Array.from({ length: 2 * count }, (_, i) => Math.log(time[2 * i]! / (1 - time[2 * i]!)))
  for (let i = 0; i < 2 * count; i++) expect(time[2 * i]).toBe(time[2 * i + 1])
  const mean = (values: number[]) => values.reduce((a, b) => a + b) / values.length
  expect(Math.abs(mean(logits))).toBeLessThan(0.06)
  expect(mean(logits.map((x) => x * x))).toBeCloseTo(1, 0)
  const products = Array.from({ length: count }, (_, i) => logits[2 * i]! * logits[2 * i + 1]!)
  expect(Math.abs(mean(products))).toBeLessThan(0.1)
})

describe('sampling options', () => {
  let built: NoisyNetwork
  let sampler: NoisySampler
  beforeAll(async () => {
    built = await network({ unit: 'cell', groups: [2, 1] })
    sampler = built.openSampler(device)
  })
  afterAll(() => sampler[Symbol.asyncDispose]())
  const draw = async (options: SampleOptions) => [...(await last(sampler, options)).values.data]

  it.each([
    [{ guidance: 2 }],
    [{ temperature: 0.5 }],
    [{ innerSteps: 4 }],
    [{ method: 'heun' }],
    [{ method: 'ab2' }],
    [{ contextNoise: 0.2 }],
  ] as const)('%o changes what is drawn', async (options) => {
    const plain = await draw({})
    expect(await draw({})).toEqual(plain)
    expect(greatest(await draw(options), plain)).toBeGreaterThan(1e-3)
  })

  it('noise in the context is refused where no group has one', async () => {
    const single = (await network({ unit: 'image' })).openSampler(device)
    await expect(last(single, { contextNoise: 0.2 })).rejects.toThrow(/contextNoise .* one group/)
    await single[Symbol.asyncDispose]()
  })

  it('noise in the context leaves the first group alone', async () => {
    const [plain, shaken] = [await draw({}), await draw({ contextNoise: 0.5 })]
    expect(shaken.slice(0, 8)).toEqual(plain.slice(0, 8))
    expect(shaken.slice(8, 16)).not.toEqual(plain.slice(8, 16))
  })

  it.each([
    ['euler', 2 * 5 + 1],
    ['ab2', 2 * 5 + 1],
    ['heun', 2 * 10 + 1],
  ] as const)(
    '%s runs the backbone %d times: every call of the solver, and once for the group that is kept',
    async (method, calls) => {
      const before = sampler.evaluations.backbone
      await draw({ method, innerSteps: 5, guidance: 2 })
      expect(sampler.evaluations).toEqual({ backbone: before + calls, head: 0 })
    },
  )

  it('anneals the steps of groups; without a difference it is the plain sampler, bit for bit', async () => {
    expect(await draw({ innerSteps: disa({ upper: 4, lower: 4, schedule: 'linear' }) })).toEqual(await draw({ innerSteps: 4 }))
    const before = sampler.evaluations.backbone
    await draw({ innerSteps: disa({ upper: 6, lower: 2, schedule: 'linear' }) })
    expect(sampler.evaluations.backbone - before).toBe(6 + 2 + 1)
    await expect(draw({ innerSteps: () => 0 })).rejects.toThrow(/steps is 0/)
    for (const innerSteps of [1e10, () => 1e10])
      await expect(draw({ innerSteps })).rejects.toThrow(/inner steps is 10000000000; expected an integer from 1 to 10000/)
  })

  it('refuses solvers that follow no flow', async () => {
    await expect(draw({ method: 'ddpm' as never })).rejects.toThrow(/method is ddpm/)
  })

  it('keeps what is given, and draws the rest with it in sight', async () => {
    const codes = vectorBatch(built, 3, normals(48, 7))
    const known = Float32Array.from({ length: 12 }, (_, i) => Number([0, 1, 6, 11].includes(i)))
    const { values } = await last(sampler, {}, { given: { values: codes, known } })
    for (const value of [0, 1, 6, 11])
      expect([...values.data.slice(value * 4, value * 4 + 4)]).toEqual([...codes.data.slice(value * 4, value * 4 + 4)])
    const free = await draw({})
    expect([...values.data.slice(8, 16)]).not.toEqual(free.slice(8, 16))
    const before = sampler.evaluations.backbone
    await last(sampler, {}, { given: { values: codes, known: new Float32Array(12).fill(1) } })
    expect(sampler.evaluations.backbone).toBe(before)
  })

  it('names group and step where numbers go out of bounds', async () => {
    const broken = await network({ unit: 'cell', groups: [2, 1] })
    await broken.output.bias!.write(new Float32Array(4).fill(Number.NaN))
    await using of = broken.openSampler(device)
    await expect(last(of)).rejects.toThrow(/group 1 of 2.*step 1 of 3/)
    await expect(last(of, { guidance: 2 })).rejects.toThrow(/group 1 of 2.*step 1 of 3/)
  })
})

it('refuses ids, grids that do not divide, and samples of another scale than the noise', async () => {
  const options = xar.readOptions({ width: 16, layers: 1, heads: 2 })
  expect(() => xar.build(options, { tokenizer: new ThresholdTokenizer(), classes: 2 })).toThrow(/predicts vectors/)
  expect(() => xar.build({ ...options, groups: 9 }, { tokenizer: toyPatches(), classes: 2 })).toThrow(/groups of a grid/)
  expect(() => xar.readOptions({ unit: 'row' })).toThrow(/unit/)
  expect(() => xar.readOptions({ wings: 2 })).toThrow(/wings/)
  const pictures = toyPictures(64, 1)
  await using model = await createImageModel({
    system: xar,
    options: {},
    tokenizer: toyPatches(),
    classes: ['a', 'b'],
    device,
    seed: 1,
  })
  const codes = patchCodes(pictures)
  const scaled = (factor: number) => ({
    codes: { ...codes, data: codes.data.map((x) => x * factor) } as typeof codes,
    labels: pictures.labels,
  })
  expect(() => imageTask(model, { train: scaled(1), batch: 8, seed: 1 })).not.toThrow()
  expect(() => imageTask(model, { train: scaled(0.1), batch: 8, seed: 1 })).toThrow(
    /standard deviation of 0.068.*multiply them by 14/s,
  )
  expect(() => imageTask(model, { train: scaled(10), batch: 8, seed: 1 })).toThrow(/standard deviation of 6/)
})
