import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { OptionError, ShapeError } from '../../../src/base/errors.ts'
import { createRng } from '../../../src/base/rng.ts'
import { cosineAlphas } from '../../../src/decode/index.ts'
import { type DiffusionHead, diffusionHead, type FlowHead, type FlowHeadOptions, flowHead } from '../../../src/heads/index.ts'
import { initialize, namedVariables, parameters } from '../../../src/nn/index.ts'
import { type Device, openDevice } from '../../../src/platform/index.ts'
import { compile, float32, gradients, input, int32, sum } from '../../../src/tensor/index.ts'
import { expectNear, noise } from '../../null/tensor/finite-differences.ts'

let device: Device
beforeAll(async () => {
  device = await openDevice({ worker: false, threads: 1 })
})
afterAll(() => device[Symbol.asyncDispose]())

const [batch, slots, width, dimension, draws] = [2, 5, 4, 3, 3]
const sizes = { hidden: 8, layers: 2 }
const random = (label: string, ...shape: number[]) => Float32Array.from(noise(label, shape).data)
const hidden = random('hidden', batch, slots, width)
const values = random('values', batch, slots, dimension)

/** A head none of whose weights are 0. */
async function filled<Head extends object>(head: Head): Promise<Head> {
  for (const [name, variable] of namedVariables(head)) {
    await variable.write(random(name, ...variable.concreteShape).map((x) => 0.3 * x))
  }
  return head
}

const scopes: readonly (readonly [string, FlowHeadOptions])[] = [
  ['slot', { ...sizes, scope: 'slot' }],
  ['group', { ...sizes, scope: 'group', heads: 2 }],
]

/** What a head predicts at times `[rows, columns]`, which broadcast over batch and slots. */
async function predict(head: FlowHead | DiffusionHead, given: Float32Array, time: Float32Array, timeShape: readonly number[]) {
  const program = compile(
    { values: float32(batch, slots, dimension), time: float32(...timeShape), hidden: float32(batch, slots, width) },
    (inputs) => ({ predicted: head.field(inputs.values, inputs.time, inputs.hidden) }),
    { device },
  )
  return (await program.run({ values: given, time, hidden })).predicted.data as Float32Array
}

const squaredErrors = (predicted: Float32Array, target: ArrayLike<number>) =>
  Array.from({ length: batch * slots }, (_, row) => {
    const errors = Array.from(
      { length: dimension },
      (_, i) => (predicted[row * dimension + i]! - target[row * dimension + i]!) ** 2,
    )
    return errors.reduce((total, x) => total + x, 0) / dimension
  })

const meanOf = (rows: readonly (readonly number[])[]) =>
  rows[0]!.map((_, i) => rows.reduce((total, row) => total + row[i]!, 0) / rows.length)

describe.each(scopes)('flowHead, scope %s', (_name, options) => {
  it('loses the mean squared error of the velocity, over several draws too', async () => {
    const head = await filled(flowHead(width, dimension, options))
    const program = compile(
      {
        hidden: float32(batch, slots, width),
        values: float32(batch, slots, dimension),
        noise: float32(draws, batch, slots, dimension),
        time: float32(draws, batch, 1),
      },
      (given) => ({ loss: head.loss(given.hidden, given.values, { noise: given.noise, time: given.time }) }),
      { device },
    )
    const times = Float32Array.from({ length: draws * batch }, (_, i) => (i + 0.5) / (draws * batch))
    const all = random('noise', draws, batch, slots, dimension)
    const { loss } = await program.run({ hidden, values, noise: all, time: times })
    const each: number[][] = []
    for (let draw = 0; draw < draws; draw++) {
      const own = all.subarray(draw * values.length, (draw + 1) * values.length)
      const time = times.slice(draw * batch, (draw + 1) * batch)
      const at = (i: number) => time[Math.floor(i / (slots * dimension))]!
      const noisy = values.map((x, i) => (1 - at(i)) * x + at(i) * own[i]!)
      each.push(
        squaredErrors(
          await predict(head, noisy, time, [batch, 1]),
          own.map((z, i) => z - values[i]!),
        ),
      )
    }
    expect(loss.shape).toEqual([batch, slots])
    expectNear(loss.data as Float32Array, meanOf(each), 'loss', 1e-4)
  })

  it('predicts 0 at first, and takes one time for all, or one for each vector', async () => {
    const fresh = flowHead(width, dimension, options)
    await initialize(fresh, createRng(1))
    expect(new Set(await predict(fresh, values, Float32Array.of(0.3), [1, 1]))).toEqual(new Set([0]))
    const head = await filled(flowHead(width, dimension, options))
    const [one, each] = [Float32Array.of(0.3), new Float32Array(batch * slots).fill(0.3)]
    expectNear(await predict(head, values, one, [1, 1]), await predict(head, values, each, [batch, slots]), 'prediction', 1e-5)
    const other = await predict(head, values, Float32Array.of(0.8), [1, 1])
    expect(Math.max(...(await predict(head, values, one, [1, 1])).map((x, i) => Math.abs(x - other[i]!)))).toBeGreaterThan(0.01)
  })

  it('has a gradient for each of its weights', async () => {
    const head = await filled(flowHead(width, dimension, options))
    const trained = parameters(head)
    const program = compile(
      {
        hidden: float32(batch, slots, width),
        values: float32(batch, slots, dimension),
        noise: float32(batch, slots, dimension),
        time: float32(batch, 1),
      },
      (given) => {
        const total = sum(head.loss(given.hidden, given.values, { noise: given.noise, time: given.time }))
        return Object.fromEntries(gradients(total, trained).map((gradient, i) => [`gradient${i}`, gradient]))
      },
      { device },
    )
    const slopes = await program.run({
      hidden,
      values,
      noise: random('z', batch, slots, dimension),
      time: Float32Array.of(0.2, 0.7),
    })
    const still = Object.values(slopes).filter(({ data }) => (data as Float32Array).every((x) => x === 0))
    expect(still.length).toBe(0)
  })
})

it('flowHead, scope group: slots see their group and no other', async () => {
  const head = await filled(flowHead(width, dimension, { ...sizes, scope: 'group', heads: 2 }))
  const program = compile(
    { values: float32(batch, slots, dimension), time: float32(1, 1), hidden: float32(batch, slots, width) },
    (given) => ({
      joined: head.field(given.values, given.time, given.hidden, [2, 3]),
      whole: head.field(given.values, given.time, given.hidden),
    }),
    { device },
  )
  const alone = compile(
    { values: float32(batch, 'T', dimension), time: float32(1, 1), hidden: float32(batch, 'T', width) },
    (given) => ({ part: head.field(given.values, given.time, given.hidden) }),
    { device },
  )
  const time = Float32Array.of(0.4)
  const { joined, whole } = await program.run({ values, time, hidden })
  const expected: number[] = []
  const cut = (data: Float32Array, row: number, size: number, start: number, end: number) =>
    data.slice((row * slots + start) * size, (row * slots + end) * size)
  const parts = await Promise.all(
    (
      [
        [0, 2],
        [2, 5],
      ] as const
    ).map(async ([start, end]) => {
      const of = (data: Float32Array, size: number) => ({
        dtype: 'float32' as const,
        shape: [batch, end - start, size],
        data: Float32Array.from([0, 1].flatMap((row) => [...cut(data, row, size, start, end)])),
      })
      const { part } = await alone.run({ values: of(values, dimension), time, hidden: of(hidden, width) })
      return part.data as Float32Array
    }),
  )
  for (const row of [0, 1]) {
    for (const part of parts) expected.push(...part.subarray((row * part.length) / 2, ((row + 1) * part.length) / 2))
  }
  expectNear(joined.data as Float32Array, expected, 'groups side by side', 1e-4)
  const mixed = (whole.data as Float32Array).map((x, i) => Math.abs(x - expected[i]!))
  expect(Math.max(...mixed)).toBeGreaterThan(0.01)
})

describe('diffusionHead', () => {
  it.each(['eps', 'v'] as const)('loses the mean squared error of %s, over several draws too', async (predicts) => {
    const head = await filled(diffusionHead(width, dimension, { ...sizes, predicts }))
    const program = compile(
      {
        hidden: float32(batch, slots, width),
        values: float32(batch, slots, dimension),
        noise: float32(draws, batch, slots, dimension),
        timestep: int32(draws, batch, slots),
      },
      (given) => ({ loss: head.loss(given.hidden, given.values, { noise: given.noise, timestep: given.timestep }) }),
      { device },
    )
    const timestep = Int32Array.from({ length: draws * batch * slots }, (_, i) => (i * 331) % 900)
    const all = random('noise', draws, batch, slots, dimension)
    const { loss } = await program.run({ hidden, values, noise: all, timestep })
    const alphas = cosineAlphas(1000)
    expect(head.alphas).toEqual(alphas)
    const each: number[][] = []
    for (let draw = 0; draw < draws; draw++) {
      const own = all.subarray(draw * values.length, (draw + 1) * values.length)
      const time = Float32Array.from(timestep.subarray(draw * batch * slots, (draw + 1) * batch * slots))
      const alpha = (i: number) => alphas[time[Math.floor(i / dimension)]!]!
      const noisy = values.map((x, i) => Math.sqrt(alpha(i)) * x + Math.sqrt(1 - alpha(i)) * own[i]!)
      const errors = squaredErrors(await predict(head, noisy, time, [batch, slots]), own)
      // ε = √ᾱ·v + √(1 − ᾱ)·x_t, so that an error in v is one in ε, √ᾱ times as large.
      each.push(predicts === 'eps' ? errors : errors.map((error, row) => error / alpha(row * dimension)))
    }
    expectNear(loss.data as Float32Array, meanOf(each), 'loss', 1e-3)
  })
})

describe('heads of fields refuse', () => {
  const flow = flowHead(width, dimension, { ...sizes, scope: 'slot' })
  const group = flowHead(width, dimension, { ...sizes, scope: 'group', heads: 2 })
  const x = (...shape: number[]) => input('x', 'float32', shape)

  it('shapes that do not fit', () => {
    expect(() => flow.field(x(2, 5, 4), x(1, 1), x(2, 5, width))).toThrow(ShapeError)
    expect(() => flow.field(x(2, 4, dimension), x(1, 1), x(2, 5, width))).toThrow(ShapeError)
    expect(() => flow.loss(x(2, 5, width), x(2, 5, dimension), { noise: x(2, 5, 1), time: x(2, 1) })).toThrow(ShapeError)
    expect(() => flow.loss(x(5, width), x(5, dimension), { noise: x(2, 2, 5, dimension), time: x(1) })).toThrow(ShapeError)
    expect(() => group.field(x(5, dimension), x(1), x(5, width))).toThrow(ShapeError)
    expect(() => group.field(x(2, 5, dimension), x(1, 1), x(2, 5, width), [2, 2])).toThrow(OptionError)
  })

  it('sizes below 1, heads that do not divide, and unknown options', () => {
    expect(() => flowHead(width, 0, { ...sizes, scope: 'slot' })).toThrow(OptionError)
    expect(() => flowHead(width, dimension, { ...sizes, scope: 'group', heads: 3 })).toThrow(OptionError)
    expect(() => flowHead(width, dimension, { ...sizes, scope: 'slot', heads: 2 })).toThrow(OptionError)
    expect(() => flowHead(width, dimension, { ...sizes, scope: 'picture' as 'slot' })).toThrow(OptionError)
    expect(() => flowHead(width, dimension, { ...sizes, scope: 'slot', steps: 3 } as FlowHeadOptions)).toThrow(OptionError)
    expect(() => diffusionHead(width, dimension, { hidden: 8, layers: 0 })).toThrow(OptionError)
    expect(() => diffusionHead(width, dimension, { ...sizes, timesteps: 0 })).toThrow(OptionError)
    expect(() => diffusionHead(width, dimension, { ...sizes, predicts: 'x' as 'v' })).toThrow(OptionError)
  })
})
