import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { OptionError, ShapeError } from '../../../src/base/errors.ts'
import { createRng } from '../../../src/base/rng.ts'
import {
  type AffineHeadOptions,
  affineForward,
  affineHead,
  affineInverse,
  affineLogDeterminant,
  affineLogProb,
  type MixtureHeadOptions,
  mixtureHead,
  multiCategoricalHead,
} from '../../../src/heads/index.ts'
import { initialize, namedVariables } from '../../../src/nn/index.ts'
import { type Device, openDevice } from '../../../src/platform/index.ts'
import { compile, float32, gradients, input, int32, sum } from '../../../src/tensor/index.ts'
import { expectNear, noise } from '../../null/tensor/finite-differences.ts'

let device: Device
beforeAll(async () => {
  device = await openDevice({ worker: false, threads: 1 })
})
afterAll(() => device[Symbol.asyncDispose]())

const random = (label: string, ...shape: number[]) => Float32Array.from(noise(label, shape).data)

/** A mixture of one number whose parameters are biases alone: the hidden state is 0. */
async function fixedMixture(
  kind: MixtureHeadOptions['kind'],
  means: readonly number[],
  raw: readonly number[],
  options: object = {},
) {
  const head = mixtureHead(1, 1, { components: means.length, kind, ...options })
  const biases: Record<string, readonly number[]> = {
    'logits.bias': means.map((_, i) => i / 2),
    'mean.bias': means,
    'scale.bias': raw,
  }
  for (const [name, variable] of namedVariables(head)) await variable.write(Float32Array.from(biases[name] ?? means.map(() => 0)))
  return head
}

async function logProbsOf(head: Awaited<ReturnType<typeof fixedMixture>>, values: readonly number[]) {
  const specs = { hidden: float32(values.length, 1), values: float32(values.length, 1) }
  const program = compile(
    specs,
    (given) => {
      const logProb = head.logProb(given.hidden, given.values)
      const [mean, scale] = gradients(sum(logProb), [head.mean.bias!, head.scale.bias!])
      return { logProb, mean: mean!, scale: scale! }
    },
    { device },
  )
  return program.run({ hidden: new Float32Array(values.length), values: Float32Array.from(values) })
}

const softplus = (x: number) => Math.max(x, 0) + Math.log1p(Math.exp(-Math.abs(x)))
const scaleOf = (raw: number, floor: number) => softplus(raw + Math.log(Math.E - 1)) + floor

/** log Σ w·p in doubles, about the largest. */
function mixed(logDensities: readonly number[]): number {
  const weights = logDensities.map((_, i) => Math.exp(i / 2))
  const total = weights.reduce((sum, x) => sum + x, 0)
  const terms = logDensities.map((x, i) => x + Math.log(weights[i]! / total))
  const top = Math.max(...terms)
  return top + Math.log(terms.reduce((sum, x) => sum + Math.exp(x - top), 0))
}

const [means, raw, floor] = [[-1.5, 0.3, 2], [-3, 0, 1], 1e-3]
const far = [-300, -8, -1.5, 0, 0.31, 5, 1000]

describe('mixtureHead', () => {
  it('gaussian, in the tails too', async () => {
    const { logProb } = await logProbsOf(await fixedMixture('gaussian', means, raw), far)
    const expected = far.map((x) =>
      mixed(
        means.map(
          (m, i) =>
            -0.5 * ((x - m) / scaleOf(raw[i]!, floor)) ** 2 - Math.log(scaleOf(raw[i]!, floor)) - 0.5 * Math.log(2 * Math.PI),
        ),
      ),
    )
    expectNear(logProb.data as Float32Array, expected, 'log p', 1e-4)
  })

  it('logistic, in the tails too', async () => {
    const { logProb } = await logProbsOf(await fixedMixture('logistic', means, raw), far)
    const expected = far.map((x) =>
      mixed(
        means.map((m, i) => {
          const z = Math.abs(x - m) / scaleOf(raw[i]!, floor)
          return -z - 2 * Math.log1p(Math.exp(-z)) - Math.log(scaleOf(raw[i]!, floor))
        }),
      ),
    )
    expectNear(logProb.data as Float32Array, expected, 'log p', 1e-4)
  })

  it.each([
    ['ordinary scales', [-3, 0, 1]],
    ['scales at the floor', [-60, -60, -60]],
    ['scales far beyond the range', [200, 300, 400]],
  ])('discretised-logistic: log masses and gradients stay finite, %s', async (_name, scales) => {
    const levels = Array.from({ length: 256 }, (_, i) => (2 * i) / 255 - 1)
    const head = await fixedMixture('discretised-logistic', [-0.9, 0, 0.5], scales)
    const { logProb, mean, scale } = await logProbsOf(head, levels)
    const masses = Array.from(logProb.data as Float32Array, Math.exp)
    expect(masses.reduce((total, x) => total + x, 0)).toBeCloseTo(1, 4)
    for (const { data } of [logProb, mean, scale]) expect((data as Float32Array).every(Number.isFinite)).toBe(true)
  })

  it('discretised-logistic: the mass between borders half a level away, to infinity at the ends', async () => {
    const levels = [-1, -0.5, 0, 0.5, 1]
    const { logProb } = await logProbsOf(await fixedMixture('discretised-logistic', means, raw, { levels: 5 }), levels)
    const below = (x: number, i: number) => 1 / (1 + Math.exp(-(x - means[i]!) / scaleOf(raw[i]!, floor)))
    const expected = levels.map((x) =>
      mixed(means.map((_, i) => Math.log((x === 1 ? 1 : below(x + 0.25, i)) - (x === -1 ? 0 : below(x - 0.25, i)) || 1e-300))),
    )
    expectNear(logProb.data as Float32Array, expected, 'log p', 1e-4)
  })

  it('samples the mean of the likeliest component at temperature 0, and spreads with it', async () => {
    const head = await fixedMixture('gaussian', means, raw)
    const count = 500
    const program = compile(
      { hidden: float32(count, 1), component: float32(count, 3), value: float32(count, 1), temperature: float32() },
      ({ hidden, temperature, ...random }) => ({
        cold: head.sample(hidden, random, 0),
        samples: head.sample(hidden, random, temperature),
      }),
      { device },
    )
    const feeds = {
      hidden: new Float32Array(count),
      component: random('u', count, 3).map((x) => Math.abs(x % 1)),
      value: random('z', count, 1),
    }
    const { cold, samples } = await program.run({ ...feeds, temperature: Float32Array.of(1e-4) })
    expect(new Set(cold.data as Float32Array)).toEqual(new Set([2]))
    for (const x of samples.data as Float32Array) expect(Math.abs(x - 2)).toBeLessThan(1e-3)
  })

  it.each([
    ['no components', { components: 0, kind: 'gaussian' }],
    ['another kind', { components: 2, kind: 'laplace' }],
    ['a floor of 0', { components: 2, kind: 'gaussian', scaleFloor: 0 }],
    ['levels of real numbers', { components: 2, kind: 'logistic', levels: 256 }],
    ['one level', { components: 2, kind: 'discretised-logistic', levels: 1 }],
    ['unknown options', { components: 2, kind: 'gaussian', scale: 3 }],
  ])('refuses %s', (_name, options) => {
    expect(() => mixtureHead(4, 2, options as MixtureHeadOptions)).toThrow(OptionError)
  })

  it('refuses values of another shape', () => {
    const head = mixtureHead(4, 2, { components: 2, kind: 'gaussian' })
    const x = (...shape: number[]) => input('x', 'float32', shape)
    for (const shape of [[3, 4], [3], [2, 2], [1, 3, 2]]) expect(() => head.logProb(x(3, 4), x(...shape))).toThrow(ShapeError)
  })
})

describe.each([['exp'], ['softplus']] as const)('affineHead, %s', (scale) => {
  const [rows, width, dimension] = [6, 4, 3]

  async function run(weights: Float32Array | undefined) {
    const head = affineHead(width, dimension, { scale })
    await initialize(head, createRng(1))
    if (weights !== undefined) await namedVariables(head).get('output.weight')!.write(weights)
    const program = compile(
      { values: float32(rows, dimension), hidden: float32(rows, width) },
      ({ values, hidden }) => {
        const parameters = head.parameters(hidden)
        const z = affineForward(values, parameters)
        const [slope] = gradients(sum(z), [values])
        return {
          ...parameters,
          z,
          slope: slope!,
          back: affineInverse(z, parameters),
          logDeterminant: affineLogDeterminant(parameters),
          logProb: affineLogProb(values, parameters),
        }
      },
      { device },
    )
    const values = random('values', rows, dimension)
    return { values, ...(await program.run({ values, hidden: random('hidden', rows, width) })) }
  }

  it('is the identity at first', async () => {
    const { values, z, logDeterminant } = await run(undefined)
    expectNear(z.data as Float32Array, values, 'z', 1e-6)
    expectNear(logDeterminant.data as Float32Array, new Float32Array(rows), 'log det', 1e-6)
  })

  it('turns back, and its determinant is that of its slopes', async () => {
    const weights = random('weights', 2 * dimension, width)
    const { values, z, slope, back, logDeterminant, logProb } = await run(weights)
    expectNear(back.data as Float32Array, values, 'inverse', 1e-5)
    const each = Array.from({ length: rows }, (_, row) => row * dimension)
    const slopes = each.map((at) =>
      (slope.data as Float32Array).slice(at, at + dimension).reduce((total, x) => total + Math.log(x), 0),
    )
    expectNear(logDeterminant.data as Float32Array, slopes, 'log det', 1e-5)
    const normals = each.map((at, row) =>
      (z.data as Float32Array)
        .slice(at, at + dimension)
        .reduce((total, x) => total - (x * x + Math.log(2 * Math.PI)) / 2, slopes[row]!),
    )
    expectNear(logProb.data as Float32Array, normals, 'log p', 1e-5)
  })

  it('keeps log scales exact far out', async () => {
    const { logScale } = await run(random('weights', 2 * dimension, width).map((x) => 15 * x))
    const inner = (a: number) =>
      scale === 'exp' ? a : a < -30 ? a + Math.log(Math.E - 1) : Math.log(softplus(a + Math.log(Math.E - 1)))
    const hidden = random('hidden', rows, width)
    const weights = random('weights', 2 * dimension, width).map((x) => 15 * x)
    const expected = Array.from({ length: rows * dimension }, (_, i) => {
      const [row, output] = [Math.floor(i / dimension), dimension + (i % dimension)]
      return inner(
        Array.from({ length: width }, (_, j) => hidden[row * width + j]! * weights[output * width + j]!).reduce((a, b) => a + b, 0),
      )
    })
    expect(Math.min(...expected)).toBeLessThan(-20)
    expectNear(logScale.data as Float32Array, expected, 'log scale', 1e-5)
  })
})

describe('affineHead and multiCategoricalHead refuse', () => {
  it('bad options', () => {
    expect(() => affineHead(4, 2, { scale: 'sigmoid' as 'exp' })).toThrow(OptionError)
    expect(() => affineHead(4, 0, { scale: 'exp' })).toThrow(OptionError)
    expect(() => affineHead(4, 2, { scale: 'exp', bias: 1 } as AffineHeadOptions)).toThrow(OptionError)
    for (const sizes of [[], [3, 0], [2.5]]) expect(() => multiCategoricalHead(4, sizes)).toThrow(OptionError)
    expect(() => multiCategoricalHead(4, [3], { softCap: 3 } as object)).toThrow(OptionError)
  })

  it('ids of another shape', () => {
    const head = multiCategoricalHead(4, [3, 5])
    for (const shape of [
      [2, 7],
      [2, 7, 1],
      [2, 7, 3],
      [2, 2],
    ]) {
      expect(() => head.logProb(input('hidden', 'float32', [2, 7, 4]), input('ids', 'int32', shape))).toThrow(ShapeError)
    }
  })
})

it('multiCategoricalHead: logits stand side by side, as the ranges say', async () => {
  const head = multiCategoricalHead(4, [3, 5])
  await initialize(head, createRng(1))
  const program = compile(
    { hidden: float32(2, 4), ids: int32(2, 2) },
    ({ hidden, ids }) => ({ logits: head.logits(hidden), each: head.logProbs(hidden, ids), all: head.logProb(hidden, ids) }),
    { device },
  )
  const { logits, each, all } = await program.run({ hidden: random('hidden', 2, 4), ids: Int32Array.of(2, 0, 1, 4) })
  expect(head.ranges).toEqual([
    [0, 3],
    [3, 8],
  ])
  const expected = [0, 1].map((row) =>
    head.ranges.map(([start, end], code) => {
      const own = (logits.data as Float32Array).subarray(row * 8 + start, row * 8 + end)
      const id = [2, 0, 1, 4][row * 2 + code]!
      return own[id]! - Math.log(own.reduce((total, x) => total + Math.exp(x), 0))
    }),
  )
  expectNear(each.data as Float32Array, expected.flat(), 'log p', 1e-5)
  expectNear(
    all.data as Float32Array,
    expected.map(([a, b]) => a! + b!),
    'log p of both',
    1e-5,
  )
})
