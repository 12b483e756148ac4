import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { MismatchError, NonFiniteError, OptionError } from '../../../src/base/errors.ts'
import { createRng } from '../../../src/base/rng.ts'
import { planReadout } from '../../../src/nn/index.ts'
import { type Device, openDevice } from '../../../src/platform/index.ts'
import { generateCodes, generateImages } from '../../../src/systems/generate-images.ts'
import { decodeCodes } from '../../../src/systems/image-coder.ts'
import type { FlexibleScaleNetwork } from '../../../src/systems/image-engines/flexible-scale-network.ts'
import type { LearnedPlaces } from '../../../src/systems/image-engines/scale-places.ts'
import { createImageModel, type ImageModel } from '../../../src/systems/image-model.ts'
import { loadImageSystem } from '../../../src/systems/image-registry.ts'
import { compile } from '../../../src/tensor/index.ts'
import type { ImageTokenizer } from '../../../src/tokenizers/index.ts'
import { toyPyramid } from '../../contracts/toy-patches.ts'
import { ThresholdTokenizer } from '../../contracts/toy-pictures.ts'
import { ShadesTokenizer } from '../../contracts/toy-scales.ts'

const options = { width: 16, layers: 2, heads: 2 }
const doubling = [
  [1, 1],
  [2, 2],
  [4, 4],
] as const

let device: Device
beforeAll(async () => {
  device = await openDevice({ worker: false, threads: 1 })
})
afterAll(() => device[Symbol.asyncDispose]())

/** An untrained model whose gates are open, so that slots do look at one another. */
async function open(id: string, tokenizer: ImageTokenizer): Promise<ImageModel> {
  const model = await createImageModel({
    system: await loadImageSystem(id),
    options,
    tokenizer,
    classes: ['a', 'b'],
    device,
    seed: 3,
  })
  const { backbone } = model.network as FlexibleScaleNetwork
  for (const { modulation } of backbone.layers) {
    const { bias } = modulation
    await bias!.write(new Float32Array(6 * options.width).fill(0.7))
  }
  return model
}

it('names the step at which numbers are not finite', async () => {
  await using model = await open('var', new ShadesTokenizer(doubling))
  const { slots } = (model.network as unknown as { places: LearnedPlaces }).places
  // The last scale has 16 of the 21 slots.
  await slots.write(Float32Array.from({ length: 21 * options.width }, (_, i) => (i < 5 * options.width ? 0 : Number.NaN)))
  const failed = generateCodes(model, { seed: 1 })
  await expect(failed).rejects.toThrow(NonFiniteError)
  await expect(failed).rejects.toThrow(/^step 3 of 3: .*logit NaN/)
})

it('refuses sizes with more values than can be generated', async () => {
  await using model = await open('flexvar', new ShadesTokenizer(doubling, 'latest'))
  const failed = generateCodes(model, { seed: 1, size: [1024, 1024] })
  await expect(failed).rejects.toThrow(OptionError)
  await expect(failed).rejects.toThrow(/values on scales up to 1024×1024; expected at most 16384; ask for a smaller size/)
})

describe('tokenizers that do not fit', () => {
  it.each([
    ['var', new ThresholdTokenizer(), /var predicts scale after scale, and the tokenizer threshold has one/],
    [
      'nfig',
      new ShadesTokenizer(doubling),
      /nfig predicts bands of frequencies, and the tokenizer shades carries residual.*with the carry 'band'/,
    ],
    ['var', toyPyramid(), /var predicts ids, and the tokenizer pyramid gives vectors of 1; take .* multi-scale/],
    ['flexvar', new ShadesTokenizer(doubling), /predicts whole pictures, and the tokenizer shades carries residual/],
    ['flexvar', new ShadesTokenizer([[4, 4]], 'latest'), /has one/],
  ])('%s refuses', async (id, tokenizer, message) => {
    const opened = open(id, tokenizer)
    await expect(opened).rejects.toThrow(MismatchError)
    await expect(opened).rejects.toThrow(message)
  })

  it('refuses unknown options and bad ones', async () => {
    const system = await loadImageSystem('var')
    expect(() => system.readOptions({ wings: 2 })).toThrow(OptionError)
    expect(() => system.readOptions({ labelDrop: 1 })).toThrow(OptionError)
  })
})

describe('var', () => {
  it('calls the network once for each scale, whatever the number of pictures', async () => {
    await using model = await open('var', new ShadesTokenizer(doubling))
    await generateCodes(model, { seed: 1, count: 4 })
    expect(model.sampler.evaluations).toEqual({ backbone: 3, head: 0 })
    await generateCodes(model, { seed: 1, classes: 1, guidance: 2 })
    expect(model.sampler.evaluations).toEqual({ backbone: 6, head: 0 })
  })

  it('refuses guidance where no picture has a class, which changes nothing', async () => {
    await using model = await open('var', new ShadesTokenizer(doubling))
    for (const guidance of [2, () => 2])
      await expect(generateCodes(model, { seed: 1, count: 2, guidance })).rejects.toThrow(
        /guidance of pictures without a class .* name classes/,
      )
    expect(model.sampler.evaluations.backbone).toBe(0)
    expect((await generateCodes(model, { seed: 1, count: 2, guidance: 1 })).count).toBe(2)
  })

  it('reads a scale from coarser ones alone', async () => {
    await using model = await open('var', new ShadesTokenizer(doubling))
    const network = model.network as FlexibleScaleNetwork
    const program = compile(network.inputs, (inputs) => ({ logits: planReadout(network, inputs).logits! }), { device })
    const read = async (values: Int32Array) => (await program.run({ values, label: Int32Array.of(1) })).logits.data as Float32Array
    const values = Int32Array.from({ length: 21 }, (_, i) => i % 3)
    const before = await read(values)
    for (const [value, part] of [
      [0, 0],
      [3, 1],
      [20, 2],
    ] as const) {
      const after = await read(values.with(value, (values[value]! + 1) % 3))
      // The first slots of scales 0, 1, 2 and beyond.
      const end = [0, 1, 5, 21]
      const changed = [0, 1, 2].map((k) => {
        const [from, to] = [end[k]! * 3, end[k + 1]! * 3]
        return Math.max(...before.subarray(from, to).map((logit, i) => Math.abs(logit - after[from + i]!)))
      })
      expect(changed.map((difference) => difference > 1e-5)).toEqual([0, 1, 2].map((k) => k > part))
      expect(changed.slice(0, part + 1).every((difference) => difference === 0)).toBe(true)
    }
    await program.dispose()
  })
})

describe('flexvar', () => {
  const rising = [
    [1, 1],
    [2, 2],
    [3, 3],
    [4, 4],
  ] as const
  let model: ImageModel
  let network: FlexibleScaleNetwork
  beforeAll(async () => {
    model = await open('flexvar', new ShadesTokenizer(rising, 'latest'))
    network = model.network as FlexibleScaleNetwork
  })
  afterAll(() => model[Symbol.asyncDispose]())

  it('reads each sample of a training step as a network of its schedule does', async () => {
    const before = Int32Array.of(-1, -1, 0, 2, -1, 0, -1, 1)
    const values = Int32Array.from({ length: 60 }, (_, i) => (i * i) % 3)
    const label = Int32Array.of(0, 2)
    const training = compile(network.trainingInputs(2), (inputs) => ({ logits: network.scheduledLogits(inputs) }), { device })
    const { logits } = await training.run({ values, label, before })
    const starts = [0, 1, 5, 14, 30]
    for (const [sample, schedule] of [
      [0, 2, 3],
      [0, 1, 3],
    ].entries()) {
      const alone = network.at(schedule.map((k) => rising[k]!))
      const program = compile(alone.inputs, (inputs) => ({ logits: planReadout(alone, inputs).logits! }), { device })
      const own = schedule.flatMap((k) => Array.from({ length: starts[k + 1]! - starts[k]! }, (_, i) => starts[k]! + i))
      const expected = await program.run({
        values: Int32Array.from(own, (i) => values[sample * 30 + i]!),
        label: label.slice(sample, sample + 1),
      })
      const found = own.flatMap((slot) =>
        Array.from(logits.data.subarray((sample * 30 + slot) * 3, (sample * 30 + slot + 1) * 3) as Float32Array),
      )
      const worst = Math.max(...found.map((logit, i) => Math.abs(logit - Number(expected.logits.data[i]))))
      expect(worst).toBeLessThan(1e-5)
      await program.dispose()
    }
    await training.dispose()
  })

  it('generates on any schedule, at sizes that training never had, in as many calls as scales', async () => {
    const steps: number[] = []
    const calls = model.sampler.evaluations.backbone
    for await (const { values, steps: all } of generateImages(model, { seed: 2, schedule: [1, 2, 5], size: [5, 6] })) {
      expect(values.layout.parts.map(({ shape }) => [...shape])).toEqual([
        [1, 1],
        [2, 2],
        [5, 6],
      ])
      steps.push(all)
    }
    expect(steps).toEqual([3, 3, 3])
    const values = await generateCodes(model, { seed: 2, schedule: [1, 2, 5], size: [5, 6] })
    expect(await decodeCodes(model.tokenizer, values, { device })).toMatchObject({ count: 1, height: 5, width: 6 })
    expect(model.sampler.evaluations.backbone - calls).toBe(6)
    expect((await generateCodes(model, { seed: 2 })).data.length).toBe(30)
  })

  it('keeps the programs of the latest schedules only, and counts the calls of all', async () => {
    await model.refresh()
    for (let width = 4; width < 14; width++) await generateCodes(model, { seed: 1, schedule: [1, [4, width]], size: [4, width] })
    await generateCodes(model, { seed: 1, schedule: [1, [4, 4]], size: [4, 4] })
    expect(model.sampler.evaluations.backbone).toBe(22)
  })

  it('closes no program that another call has just opened', async () => {
    const sampler = network.openSampler(device)
    const draw = async (width: number) => {
      const request = {
        labels: Int32Array.of(0),
        rngs: [createRng(1)],
        options: { schedule: [1, [4, width]], size: [4, width] } as const,
      }
      let drawn: number[] = []
      for await (const { values } of sampler.sample(request)) drawn = [...values.data]
      return drawn
    }
    const widths = Array.from({ length: 12 }, (_, i) => 14 + i)
    const alone: number[][] = []
    for (const width of widths) alone.push(await draw(width))
    for (let width = 4; width < 12; width++) await draw(width)
    expect(await Promise.all(widths.map(draw))).toEqual(alone)
    expect(sampler.evaluations.backbone).toBe(2 * (2 * 12 + 8))
    await sampler[Symbol.asyncDispose]()
  })

  it('takes the likeliest ids at unseen scales when asked to', async () => {
    const first = await generateCodes(model, { seed: 1, size: [5, 5], schedule: [1, 5] })
    const given = { values: first, known: Float32Array.from({ length: 26 }, (_, i) => Number(i === 0)) }
    const draw = async (seed: number, extra: object) =>
      Array.from((await generateCodes(model, { seed, size: [5, 5], schedule: [1, 5], given, ...extra })).data)
    expect(await draw(2, {})).not.toEqual(await draw(3, {}))
    expect(await draw(2, { unseenTopK: 1 })).toEqual(await draw(3, { unseenTopK: 1 }))
    const seenFirst = new Set<unknown>()
    for (let seed = 2; seed < 8; seed++) seenFirst.add((await draw(seed, { unseenTopK: 1, given: undefined }))[0])
    expect(seenFirst.size).toBeGreaterThan(1)
    await expect(draw(2, { size: [4, 4], schedule: [1, 4], unseenTopK: 1, given: undefined })).rejects.toThrow(
      /unseenTopK of a schedule whose scales training saw/,
    )
  })

  it('asks for guidance as if the steps ended where the trained size does', async () => {
    const asked: string[] = []
    const guidance = (step: number, steps: number) => {
      asked.push(`${step} of ${steps}`)
      return 1.5
    }
    await generateCodes(model, { seed: 1, classes: 1, size: [8, 8], schedule: [1, 3, 5, 8], guidance })
    expect(asked).toEqual(['0 of 2', '1 of 2', '1 of 2', '1 of 2'])
  })

  it('refuses schedules that end elsewhere, and kept values of another schedule', async () => {
    await expect(generateCodes(model, { seed: 1, schedule: [1, 2, 3] })).rejects.toThrow(/ends with 3×3/)
    await expect(generateCodes(model, { seed: 1, schedule: [2, 1, 4] })).rejects.toThrow(/scales that grow/)
    const values = await generateCodes(model, { seed: 1 })
    const given = { values, known: new Float32Array(30) }
    await expect(generateCodes(model, { seed: 1, schedule: [1, 4], given })).rejects.toThrow(MismatchError)
  })
})
