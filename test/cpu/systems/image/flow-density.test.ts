import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { createRng, type Rng } from '../../../../src/base/rng.ts'
import { initialize } from '../../../../src/nn/index.ts'
import { type Device, openDevice } from '../../../../src/platform/index.ts'
import { FlowSampler, FlowStack } from '../../../../src/systems/image/starflow.ts'
import { compile, float32, int32, mean, negate } from '../../../../src/tensor/index.ts'
import { fit } from '../../../../src/train/index.ts'

/** Points on two half circles that reach into one another, with some noise: two slots of one number. */
function moons(rng: Rng, count: number): { readonly values: Float32Array; readonly labels: Int32Array } {
  const values = new Float32Array(2 * count)
  const labels = new Int32Array(count)
  for (let i = 0; i < count; i++) {
    const [angle, upper] = [Math.PI * rng.uniformAt(8 * i), rng.uniformAt(8 * i + 1) < 0.5]
    labels[i] = Number(upper)
    values[2 * i] = (upper ? Math.cos(angle) : 1 - Math.cos(angle)) - 0.5 + 0.1 * rng.normalAt(8 * i + 4)
    values[2 * i + 1] = (upper ? Math.sin(angle) : 0.5 - Math.sin(angle)) - 0.25 + 0.1 * rng.normalAt(8 * i + 6)
  }
  return { values, labels }
}

const layout = { parts: [{ shape: [2] }] }
const batch = 128

describe('a flow of two moons', () => {
  let device: Device
  const flow = new FlowStack({
    layout,
    dimension: 1,
    width: 24,
    heads: 2,
    layers: [1, 1, 1, 1],
    scale: 'softplus',
    positions: 'learned',
    classes: 2,
    conditioned: 'all',
  })
  const data = createRng(1).fold('moons')
  let logProb: (points: Float32Array, labels: Int32Array) => Promise<Float32Array>

  beforeAll(async () => {
    device = await openDevice({ worker: false, threads: 1 })
    await initialize(flow, createRng(2))
    const task = {
      module: flow,
      inputs: { values: float32(batch, 2, 1), labels: int32(batch) },
      loss: ({ values, labels }: Record<'values' | 'labels', Parameters<FlowStack['logProb']>[0]>) => ({
        total: negate(mean(flow.logProb(values, labels))),
      }),
      batchAt: (step: number) => moons(data.fold(step), batch),
    }
    await fit(task, { device, steps: 200, learningRate: 5e-3, clip: 1 })
    const program = compile(
      { values: float32('B', 2, 1), labels: int32('B') },
      ({ values, labels }) => ({ logProb: flow.logProb(values, labels) }),
      { device },
    )
    logProb = async (values, labels) => (await program.run({ values, labels })).logProb.data as Float32Array
  }, 120_000)
  afterAll(() => device[Symbol.asyncDispose]())

  it('has a density that integrates to 1, for each class and for none', async () => {
    const [low, step, side] = [-4.8, 0.08, 120]
    const places = Array.from({ length: side }, (_, i) => low + (i + 0.5) * step)
    const points = Float32Array.from(places.flatMap((x) => places.flatMap((y) => [x, y])))
    for (const label of [0, 1, 2]) {
      const logs = await logProb(points, new Int32Array(side * side).fill(label))
      const mass = logs.reduce((sum, log) => sum + Math.exp(log), 0) * step * step
      expect(Math.abs(mass - 1)).toBeLessThan(1e-2)
    }
  })

  it('knows them better than any Gaussian', async () => {
    const { values, labels } = moons(data.fold('held out'), 1024)
    const average = (numbers: ArrayLike<number>) => Array.from(numbers).reduce((sum, x) => sum + x, 0) / numbers.length
    const learnt = average(await logProb(values, labels))
    // The best Gaussian of each class has the entropy ½·log det(2πe·Σ).
    const gaussian = [0, 1].map((label) => {
      const own = [...labels.keys()].filter((i) => labels[i] === label)
      const column = (axis: number) => own.map((i) => values[2 * i + axis]!)
      const covariance = (a: number[], b: number[]) => average(a.map((x, i) => x * b[i]!)) - average(a) * average(b)
      const [x, y] = [column(0), column(1)]
      const determinant = covariance(x, x) * covariance(y, y) - covariance(x, y) ** 2
      return -0.5 * Math.log((2 * Math.PI * Math.E) ** 2 * determinant)
    })
    expect(learnt).toBeGreaterThan(average(gaussian) + 0.2)
  })

  it('draws points that lie on them', async () => {
    const sampler = new FlowSampler(flow, { layout, device, noise: 0, guidable: false })
    const count = 200
    const labels = Int32Array.from({ length: count }, (_, i) => i % 2)
    const request = { labels, rngs: Array.from(labels, (_, i) => createRng(3).fold(i)), options: {} }
    let values = new Float32Array(0)
    for await (const step of sampler.sample(request)) values = step.values.data as Float32Array<ArrayBuffer>
    await sampler[Symbol.asyncDispose]()
    const near = [...labels.keys()].filter((i) => {
      const [x, y] = [values[2 * i]! + 0.5, values[2 * i + 1]! + 0.25]
      const distance = labels[i] === 1 ? Math.hypot(x, y) - 1 : Math.hypot(x - 1, y - 0.5) - 1
      return Math.abs(distance) < 0.35
    })
    expect(near.length / count).toBeGreaterThan(0.9)
  })
})
