import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { OptionError } from '../../../src/base/errors.ts'
import { createRng } from '../../../src/base/rng.ts'
import type { Device } from '../../../src/platform/device.ts'
import { openDevice } from '../../../src/platform/index.ts'
import {
  add,
  compile,
  constant,
  float32,
  gradients,
  matmul,
  mean,
  multiply,
  reshape,
  slice,
  square,
  subtract,
  sum,
  type Tensor,
  Variable,
} from '../../../src/tensor/index.ts'
import { adamw, lion, muon, type OptimizerFactory } from '../../../src/train/index.ts'
import { orthogonalize } from '../../../src/train/muon.ts'
import { product, type ReferenceRule, referenceAdamw, referenceLion, referenceMuon, transposed } from './reference-optimizers.ts'

let device: Device
beforeAll(async () => {
  device = await openDevice({ threads: 1, worker: false })
})
afterAll(() => device[Symbol.asyncDispose]())

const [rows, inputs, outputs] = [5, 3, 4]
const rng = createRng(3)
const x = rng.fold('x').fillNormal(new Float32Array(rows * inputs))
const y = rng.fold('y').fillNormal(new Float32Array(rows * outputs))
const firstWeight = rng.fold('w').fillNormal(new Float32Array(inputs * outputs))
const firstBias = rng.fold('b').fillNormal(new Float32Array(outputs))
const rate = (step: number) => 0.05 / (1 + step)

/** Weight and bias of a regression after `steps` updates, by the optimizer under test. */
async function trained(factory: OptimizerFactory, steps: number): Promise<{ weight: number[]; bias: number[] }> {
  const weight = new Variable({ shape: [inputs, outputs], trainable: true, name: 'weight' })
  const bias = new Variable({ shape: [outputs], trainable: true, name: 'bias' })
  await weight.write(firstWeight)
  await bias.write(firstBias)
  const optimizer = factory([weight, bias])
  const program = compile(
    { rate: float32() },
    ({ rate }) => {
      const error = subtract(add(matmul(constant(x, [rows, inputs]), weight), bias), constant(y, [rows, outputs]))
      return { updates: optimizer.update(gradients(mean(square(error)), [weight, bias]), rate) }
    },
    { device },
  )
  for (let step = 0; step < steps; step++) await program.run({ rate: Float32Array.of(rate(step)) })
  await program.dispose()
  return { weight: Array.from(await weight.read(), Number), bias: Array.from(await bias.read(), Number) }
}

/** The same in double precision, with the gradient of the mean square written out. */
function expected(weightRule: ReferenceRule, biasRule: ReferenceRule, steps: number): { weight: number[]; bias: number[] } {
  const weight = Float64Array.from(firstWeight)
  const bias = Float64Array.from(firstBias)
  const updateWeight = weightRule({ values: weight, shape: [inputs, outputs], decays: true })
  const updateBias = biasRule({ values: bias, shape: [outputs], decays: false })
  const data = Float64Array.from(x)
  for (let step = 0; step < steps; step++) {
    const guess = product(data, weight, rows, inputs, outputs)
    const slope = guess.map((value, i) => (2 * (value + bias[i % outputs]! - y[i]!)) / (rows * outputs))
    const weightGradient = product(transposed(data, rows, inputs), slope, inputs, rows, outputs)
    const biasGradient = new Float64Array(outputs)
    slope.forEach((value, i) => {
      biasGradient[i % outputs]! += value
    })
    updateWeight(weightGradient, Math.fround(rate(step)))
    updateBias(biasGradient, Math.fround(rate(step)))
  }
  return { weight: [...weight], bias: [...bias] }
}

function largestGap(a: readonly number[], b: readonly number[]): number {
  return Math.max(...a.map((value, i) => Math.abs(value - b[i]!)))
}

describe('updates follow the published rules', () => {
  const adam = referenceAdamw(0.9, 0.95, 1e-8, 0.1)
  const cases: readonly (readonly [string, OptimizerFactory, ReferenceRule, ReferenceRule, number])[] = [
    ['adamw', adamw({ betas: [0.9, 0.95], weightDecay: 0.1 }), adam, adam, 2e-6],
    ['adamw with its defaults', adamw(), referenceAdamw(0.9, 0.999, 1e-8, 0.01), referenceAdamw(0.9, 0.999, 1e-8, 0.01), 2e-6],
    [
      'adamw with a large epsilon',
      adamw({ epsilon: 0.3 }),
      referenceAdamw(0.9, 0.999, 0.3, 0.01),
      referenceAdamw(0.9, 0.999, 0.3, 0.01),
      2e-6,
    ],
    ['lion', lion(), referenceLion(0.9, 0.99, 0.1), referenceLion(0.9, 0.99, 0.1), 2e-6],
    ['muon', muon({ rest: { betas: [0.9, 0.95] } }), referenceMuon(0.95, 5, 0.1), referenceAdamw(0.9, 0.95, 1e-8, 0.01), 2e-5],
    [
      'muon of nothing',
      muon({ selects: () => false }),
      referenceAdamw(0.9, 0.999, 1e-8, 0.01),
      referenceAdamw(0.9, 0.999, 1e-8, 0.01),
      2e-6,
    ],
  ]
  test.each(cases)('%s', async (_name, factory, weightRule, biasRule, tolerance) => {
    for (const steps of [1, 2, 12]) {
      const [found, wanted] = [await trained(factory, steps), expected(weightRule, biasRule, steps)]
      expect(largestGap(found.weight, wanted.weight)).toBeLessThan(tolerance)
      expect(largestGap(found.bias, wanted.bias)).toBeLessThan(tolerance)
    }
  })

  test('each option changes the outcome', async () => {
    const plain = { adamw: await trained(adamw(), 3), lion: await trained(lion(), 3), muon: await trained(muon(), 3) }
    const none = () => false
    expect(await trained(adamw({ decays: none }), 3)).not.toEqual(plain.adamw)
    expect(await trained(lion({ betas: [0.5, 0.5] }), 3)).not.toEqual(plain.lion)
    expect(await trained(lion({ weightDecay: 0 }), 3)).toEqual(await trained(lion({ decays: none }), 3))
    expect(await trained(muon({ iterations: 3 }), 3)).not.toEqual(plain.muon)
    expect(await trained(muon({ momentum: 0.5 }), 3)).not.toEqual(plain.muon)
    expect(await trained(muon({ weightDecay: 0 }), 3)).not.toEqual(plain.muon)
  })
})

/** The loss at the end of a descent on two coordinates. */
async function descend(
  factory: OptimizerFactory,
  loss: (x: Tensor, y: Tensor) => Tensor,
  steps: number,
  rateOf: (t: number) => number,
) {
  const point = new Variable({ shape: [2], trainable: true, name: 'point' })
  await point.write(Float32Array.of(-1.2, 1))
  const optimizer = factory([point])
  const program = compile(
    { rate: float32() },
    ({ rate }) => {
      const at = (i: number) => reshape(slice(point, 0, i, i + 1), [])
      const value = loss(at(0), at(1))
      return { value, updates: optimizer.update(gradients(value, [point]), rate) }
    },
    { device },
  )
  let last = Number.NaN
  for (let t = 0; t < steps; t++) last = Number((await program.run({ rate: Float32Array.of(rateOf(t)) })).value.data[0])
  await program.dispose()
  return last
}

const rosenbrock = (a: Tensor, b: Tensor) => add(square(subtract(1, a)), multiply(square(subtract(b, square(a))), 100))
const bowl = (a: Tensor, b: Tensor) => add(multiply(square(subtract(a, 3)), 50), square(add(b, 2)))

describe('descents', () => {
  test('adamw finds the bottom of the Rosenbrock valley', async () => {
    expect(await descend(adamw({ betas: [0.9, 0.99] }), rosenbrock, 1500, (t) => 0.05 * (1 - t / 1500))).toBeLessThan(1e-4)
  })

  test('lion finds the bottom of an ill-conditioned bowl', async () => {
    expect(await descend(lion(), bowl, 600, (t) => 0.05 * (1 - t / 600))).toBeLessThan(1e-3)
  })
})

describe('orthogonalize', () => {
  test.each([
    [6, 4],
    [4, 6],
  ])('a %i × %i matrix: singular values near 1, the same singular vectors', async (r, c) => {
    const values = rng.fold('g').fillNormal(new Float32Array(r * c))
    const program = compile({ g: float32(r, c) }, ({ g }) => ({ o: orthogonalize(g), s: sum(g) }), { device })
    const { o } = await program.run({ g: values })
    await program.dispose()
    const [g, q] = [Float64Array.from(values), Float64Array.from(o.data as Float32Array)]
    const gram = r > c ? product(transposed(q, r, c), q, c, r, c) : product(q, transposed(q, r, c), r, c, r)
    const n = Math.min(r, c)
    for (let i = 0; i < n; i++) {
      expect(gram[i * n + i]).toBeGreaterThan(0.4)
      expect(gram[i * n + i]).toBeLessThan(1.5)
    }
    // U·S·Vᵀ times (U·T·Vᵀ)ᵀ is U·S·T·Uᵀ: symmetric only if the singular vectors agree.
    const cross = product(g, transposed(q, r, c), r, c, r)
    expect(largestGap([...cross], [...transposed(cross, r, r)])).toBeLessThan(1e-4)
  })
})

test('unknown and impossible options are refused', () => {
  expect(() => adamw({ beta: [0.9, 0.9] } as never)).toThrow(OptionError)
  expect(() => adamw({ betas: [0.9, 1] })).toThrow(OptionError)
  expect(() => adamw({ epsilon: 0 })).toThrow(OptionError)
  expect(() => lion({ weightDecay: Number.NaN })).toThrow(OptionError)
  expect(() => muon({ iterations: 0 })).toThrow(OptionError)
  expect(() => muon({ rest: { momentum: 1 } as never })).toThrow(OptionError)
  expect(() => muon({ selects: () => true })([new Variable({ shape: [2], name: 'b' })])).toThrow(OptionError)
})
