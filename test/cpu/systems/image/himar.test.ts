import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { CodeBatch } from '../../../../src/base/codes.ts'
import { MismatchError, OptionError } from '../../../../src/base/errors.ts'
import { createRng } from '../../../../src/base/rng.ts'
import { initialize, namedVariables } from '../../../../src/nn/index.ts'
import { type Device, openDevice } from '../../../../src/platform/index.ts'
import himar from '../../../../src/systems/image/himar.ts'
import type { MarNetwork } from '../../../../src/systems/image-engines/mar-network.ts'
import type { SampleOptions, SampleStep } from '../../../../src/systems/image-system.ts'
import { compile } from '../../../../src/tensor/index.ts'
import { toyPatches, toyPyramid } from '../../../contracts/toy-patches.ts'

let device: Device
beforeAll(async () => {
  device = await openDevice({ worker: false, threads: 1 })
})
afterAll(() => device[Symbol.asyncDispose]())

const build = (options: object = {}, tokenizer = toyPyramid([2, 4])) =>
  himar.build(himar.readOptions({ width: 16, layers: 2, heads: 2, headWidth: 16, headLayers: 1, ...options }), {
    tokenizer,
    classes: 2,
  }) as MarNetwork

/** Random weights throughout: gates that start at 0 would hide what layers do. */
async function randomNetwork(): Promise<MarNetwork> {
  const built = build()
  await initialize(built, createRng(1))
  for (const [name, variable] of namedVariables(built)) {
    const size = variable.concreteShape.reduce((a, b) => a * b, 1)
    const numbers = createRng(2).fold(name).fillNormal(new Float32Array(size))
    await variable.write(numbers.map((x) => x * 0.3))
  }
  return built
}

const [pivots, dense] = [4, 16]
const size = pivots + dense

it('the loss is twice that of the pivots, seen alone, and ¾ of that of dense values, seen under all pivots', async () => {
  const network = await randomNetwork()
  const data = createRng(3).fillNormal(new Float32Array(3 * size))
  const samples: CodeBatch = { kind: 'vectors', dimension: 1, layout: network.layout, count: 3, data }
  const whole = compile(network.trainingInputs(3), (inputs) => ({ loss: network.loss(inputs).total }), { device })
  const seen = compile(
    network.trainingInputs(3),
    (inputs) => {
      const { noise, timestep, values } = inputs as Record<'noise' | 'timestep' | 'values', never>
      return { errors: network.head.loss(network.hidden(inputs), values, { noise, timestep }) }
    },
    { device },
  )
  const feed = network.feed(samples, Int32Array.of(0, 1, 2), createRng(4))
  const mean = async (known: Float32Array, counts: (value: number) => boolean) => {
    const errors = (await seen.run({ ...feed, known })).errors.data
    const places = [...feed.known.keys()].filter((i) => feed.known[i] === 0 && counts(i % size))
    return places.reduce((sum, i) => sum + (errors[i] as number), 0) / places.length
  }
  const first = await mean(
    feed.known.map((x, i) => (i % size < pivots ? x : 0)),
    (value) => value < pivots,
  )
  const second = await mean(
    feed.known.map((x, i) => (i % size < pivots ? 1 : x)),
    (value) => value >= pivots,
  )
  expect((await whole.run(feed)).loss.data[0]).toBeCloseTo(2 * first + 0.75 * second, 4)
  await whole.dispose()
  await seen.dispose()
})

it('dense values are hidden until the last pivot is known', async () => {
  const network = await randomNetwork()
  const program = compile(network.inputsFor(1), (inputs) => ({ hidden: network.hidden(inputs) }), { device })
  const values = createRng(5).fillNormal(new Float32Array(size))
  const moved = values.map((x, i) => (i === size - 1 ? x + 1 : x))
  const hidden = async (data: Float32Array, unknown: number) => {
    const known = new Float32Array(size).fill(1)
    known[unknown] = 0
    return [...(await program.run({ values: data, known, label: Int32Array.of(1) })).hidden.data]
  }
  expect(await hidden(moved, 3)).toEqual(await hidden(values, 3))
  expect(await hidden(moved, pivots)).not.toEqual(await hidden(values, pivots))
  await program.dispose()
})

describe('sampling', () => {
  async function drawn(options: SampleOptions) {
    await using sampler = (await randomNetwork()).openSampler(device)
    const steps: SampleStep[] = []
    const rngs = [createRng(9), createRng(10)]
    for await (const step of sampler.sample({ labels: Int32Array.of(0, 1), rngs, options: { innerSteps: 2, ...options } }))
      steps.push(step)
    const settled = steps.map(({ known }) => [
      known.subarray(0, pivots).reduce((sum, x) => sum + x, 0),
      known.subarray(pivots, size).reduce((sum, x) => sum + x, 0),
    ])
    return { settled, evaluations: sampler.evaluations }
  }

  it('settles all pivots, then dense values, each in as many steps as asked', async () => {
    const { settled, evaluations } = await drawn({ steps: [2, 3] })
    // a cosine of 2 steps leaves ⌊4·0.707⌋ = 2 pivots; of 3 steps, ⌊16·0.866⌋ = 13 and then 8 dense values
    expect(settled).toEqual([
      [2, 0],
      [4, 0],
      [4, 3],
      [4, 8],
      [4, 16],
    ])
    expect(evaluations).toEqual({ backbone: 5, head: 10 })
    expect((await drawn({})).evaluations).toEqual({ backbone: 8, head: 16 })
    expect((await drawn({ steps: 1 })).settled).toEqual([
      [4, 0],
      [4, 16],
    ])
  })

  it('passes by a phase that is given whole, of one sample and not of the others', async () => {
    const network = await randomNetwork()
    await using sampler = network.openSampler(device)
    const data = createRng(6).fillNormal(new Float32Array(2 * size))
    const values: CodeBatch = { kind: 'vectors', dimension: 1, layout: network.layout, count: 2, data }
    const known = Float32Array.from({ length: 2 * size }, (_, value) => Number(value < pivots + 14))
    const rngs = [createRng(9), createRng(10)]
    const steps: (readonly number[])[] = []
    for await (const step of sampler.sample({
      labels: Int32Array.of(0, 1),
      rngs,
      options: { innerSteps: 2 },
      given: { values, known },
    }))
      steps.push([0, 1].map((sample) => step.known.subarray(sample * size, (sample + 1) * size).reduce((sum, x) => sum + x, 0)))
    expect(steps.map(([first]) => first)).toEqual([19, 20, 20, 20, 20, 20, 20, 20])
    expect(steps.map(([, second]) => second)).toEqual([1, 2, 3, 4, 6, 9, 14, 20])
  })

  it('refuses steps for other phases, and more than there are values', async () => {
    await expect(drawn({ steps: [2, 3, 4] })).rejects.toThrow(/steps for 3 phases/)
    await expect(drawn({ steps: [5, 4] })).rejects.toThrow(/5 steps for 4 values/)
  })
})

it('refuses what has not two scales, and more iterations than values', () => {
  expect(() => build({}, toyPatches())).toThrow(MismatchError)
  expect(() => build({}, toyPyramid())).toThrow(/himar takes two scales, and the tokenizer pyramid has 3/)
  expect(() => build({ iterations: [5, 4] })).toThrow(OptionError)
  expect(() => himar.readOptions({ iterations: [4] })).toThrow(OptionError)
})
