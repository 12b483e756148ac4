import { describe, expect, it } from 'vitest'
import { OptionError } from '../../../src/base/errors.ts'
import { createRng } from '../../../src/base/rng.ts'
import {
  glorotUniform,
  heNormal,
  initialize,
  layerNorm,
  learned,
  logUniform,
  namedVariables,
  normal,
  ones,
  swiglu,
  Transformer,
  uniform,
  zeros,
} from '../../../src/nn/index.ts'
import { type Initializer, variable } from '../../../src/tensor/index.ts'

const shape = [200, 300]
const count = 60_000
const rng = createRng(5)

/** Mean, variance and kurtosis (E x⁴ / (E x²)²) of an initializer's values. */
function momentsOf(initializer: Initializer) {
  const values = Array.from(initializer(shape, rng))
  const average = (f: (x: number) => number) => values.reduce((sum, x) => sum + f(x), 0) / values.length
  const variance = average((x) => x * x)
  const largest = values.reduce((most, x) => Math.max(most, Math.abs(x)), 0)
  return { mean: average((x) => x), variance, kurtosis: average((x) => x ** 4) / variance ** 2, largest }
}

// Four standard errors: of a mean σ/√n, of a variance σ²·√((kurtosis − 1)/n).
describe.each([
  ['normal(0.5)', normal(0.5), 0.25, 3],
  ['uniform(0.5)', uniform(0.5), 0.25 / 3, 1.8],
  ['glorotUniform', glorotUniform, 2 / (200 + 300), 1.8],
  ['heNormal', heNormal, 2 / 300, 3],
] as const)('%s', (_name, initializer, variance, kurtosis) => {
  const moments = momentsOf(initializer)

  it('has the moments of its distribution', () => {
    expect(Math.abs(moments.mean)).toBeLessThan(4 * Math.sqrt(variance / count))
    expect(Math.abs(moments.variance / variance - 1)).toBeLessThan(4 * Math.sqrt((kurtosis - 1) / count))
    expect(Math.abs(moments.kurtosis - kurtosis)).toBeLessThan(0.1)
    const bound = kurtosis === 3 ? 6 : Math.sqrt(3)
    expect(moments.largest).toBeLessThanOrEqual(bound * Math.sqrt(variance))
  })

  it('repeats with the same stream and differs with another', () => {
    expect(initializer([4, 5], rng)).toEqual(initializer([4, 5], rng))
    expect(initializer([4, 5], rng)).not.toEqual(initializer([4, 5], rng.fold('other')))
  })
})

it('logUniform has as many values in each decade', () => {
  const decades = Array.from(logUniform(0.001, 1)(shape, rng), (x) => Math.floor(Math.log10(x) + 1e-6))
  for (const decade of [-3, -2, -1]) expect(decades.filter((each) => each === decade).length / count).toBeCloseTo(1 / 3, 2)
  for (const [least, most] of [
    [0, 1],
    [2, 1],
    [1, Number.POSITIVE_INFINITY],
  ] as const)
    expect(() => logUniform(least, most)).toThrow(OptionError)
})

it('zeros and ones are what they say', () => {
  expect(zeros([2, 3], rng)).toEqual(new Float32Array(6))
  expect(ones([], rng)).toEqual(Float32Array.of(1))
})

it.each([-1, Number.NaN, Number.POSITIVE_INFINITY])('refuse a spread of %d', (spread) => {
  expect(() => normal(spread)).toThrow(OptionError)
  expect(() => uniform(spread)).toThrow(OptionError)
})

describe('initialize', () => {
  async function valuesOf(layers: number, seed: number, weight?: Initializer) {
    const model = new Transformer({
      vocabularySize: 7,
      context: 6,
      width: 4,
      layers,
      attention: { heads: 2 },
      mlp: swiglu(6),
      norm: layerNorm(),
      positions: learned(),
      ...(weight && { weight }),
    })
    await initialize(model, createRng(seed))
    const entries = [...namedVariables(model)].map(async ([name, of]) => [name, await of.read()] as const)
    return new Map(await Promise.all(entries))
  }

  it('gives the same values with the same seed, and others with another', async () => {
    expect(await valuesOf(2, 1)).toEqual(await valuesOf(2, 1))
    expect((await valuesOf(2, 1)).get('embed_tokens.weight')).not.toEqual((await valuesOf(2, 2)).get('embed_tokens.weight'))
  })

  it('changes no other values when a layer is added', async () => {
    const [two, three] = [await valuesOf(2, 1, normal(1)), await valuesOf(3, 1, normal(1))]
    expect(three.size).toBeGreaterThan(two.size)
    for (const [name, values] of two) expect(three.get(name), name).toEqual(values)
    expect(three.get('layers.2.mlp.up_proj.weight')).not.toEqual(three.get('layers.1.mlp.up_proj.weight'))
  })

  it('scales what joins the residual stream down with depth, and leaves norms plain', async () => {
    const values = await valuesOf(8, 1)
    const deviation = (pattern: RegExp) => {
      const all = [...values].flatMap(([name, of]) => (pattern.test(name) ? Array.from(of as Float32Array) : []))
      return Math.sqrt(all.reduce((sum, x) => sum + x * x, 0) / all.length)
    }
    expect(Math.abs(deviation(/(gate|up|q|k|v)_proj/) / 0.02 - 1)).toBeLessThan(0.15)
    expect(Math.abs(deviation(/(o|down)_proj/) / (0.02 / 4) - 1)).toBeLessThan(0.15)
    expect(deviation(/norm.*weight/)).toBe(1)
    expect(deviation(/norm.*bias/)).toBe(0)
  })

  it('leaves state without an initializer alone, and names what it initialises', async () => {
    class WithState {
      readonly count = variable({ shape: [2], dtype: 'int32' })
      readonly scale = variable({ shape: [2], trainable: true, initializer: ones })
    }
    const module = new WithState()
    await initialize(module, createRng(1))
    expect([await module.count.read(), await module.scale.read()]).toEqual([new Int32Array(2), Float32Array.of(1, 1)])
    expect([module.count.name, module.scale.name]).toEqual(['count', 'scale'])
  })

  it('refuses a parameter without an initializer', async () => {
    class Bare {
      readonly weight = variable({ shape: [2], trainable: true })
    }
    await expect(initialize(new Bare(), createRng(1))).rejects.toThrow(/parameter weight has no initializer/)
  })
})
