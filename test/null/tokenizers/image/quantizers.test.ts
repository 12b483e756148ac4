import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { OptionError } from '../../../../src/base/errors.ts'
import { gradients, sum } from '../../../../src/tensor/index.ts'
import { BinaryQuantizer, type BinaryQuantizerOptions } from '../../../../src/tokenizers/image/binary-quantizer.ts'
import { Digits } from '../../../../src/tokenizers/image/digits.ts'
import { GaussianBottleneck } from '../../../../src/tokenizers/image/gaussian-bottleneck.ts'
import { ScalarQuantizer } from '../../../../src/tokenizers/image/scalar-quantizer.ts'
import { assigned, evaluate, normals, numbers, startOf } from './evaluate.ts'

const none = new Map()
const sigmoid = (x: number) => 1 / (1 + Math.exp(-x))

describe('Digits', () => {
  test('are the places of a number, the first one counting most', () => {
    const digits = new Digits([3, 4, 5, 2], 2)
    expect(digits.vocabulary).toEqual([12, 10])
    const all = Array.from({ length: 120 }, (_, i) => [Math.floor(i / 40), Math.floor(i / 10) % 4, Math.floor(i / 2) % 5, i % 2])
    const [ids, back] = evaluate({ x: numbers([1, 120, 4], all.flat()) }, none, ({ x }) => {
      const joined = digits.join(x!)
      return [joined, digits.split(joined)]
    })
    expect([...ids!]).toEqual(all.flatMap(([a, b, c, d]) => [a! * 4 + b!, c! * 2 + d!]))
    expect([...back!]).toEqual(all.flat())
  })

  test('stay exact in the largest vocabularies', () => {
    fc.assert(
      fc.property(fc.nat({ max: 2 ** 20 - 1 }), (id) => {
        const digits = new Digits(new Array(20).fill(2), 1)
        const given = { ids: numbers([1, 1, 1], [id]) }
        const [parts, joined] = evaluate(given, none, ({ ids }) => [digits.split(ids!), digits.join(digits.split(ids!))])
        expect([...parts!].join('')).toBe(id.toString(2).padStart(20, '0'))
        expect(joined![0]).toBe(id)
      }),
      { seed: 1, numRuns: 20 },
    )
  })

  test('refuse groups that are unequal, and tables that are too large', () => {
    expect(() => new Digits([2, 2, 2], 2)).toThrow(OptionError)
    expect(() => new Digits(new Array(21).fill(2), 1)).toThrow(/2097152 ids/)
  })
})

describe('ScalarQuantizer', () => {
  const levels = [8, 5, 2, 3]
  const quantizer = new ScalarQuantizer(levels, 1)

  test('rounds bounded channels to its levels', () => {
    const latents = normals([2, 50, 4], 1)
    const { data } = numbers(
      latents.shape,
      latents.data.map((x) => 3 * x),
    )
    const [ids, embedded] = evaluate({ x: numbers(latents.shape, data) }, none, ({ x }) => {
      const values = quantizer.encode(x!)
      return [values, quantizer.embed(values)]
    })
    for (let place = 0; place < 100; place++) {
      const digits = levels.map((level, channel) => {
        // Mentzer et al. 2023, appendix A.1: tanh to a range of L levels, half a level lower where L is even.
        const [reach, offset] = [((level - 1) * 1.001) / 2, level % 2 === 0 ? 0.5 : 0]
        const bounded = Math.tanh(data[place * 4 + channel]! + Math.atanh(offset / reach)) * reach - offset
        return Math.round(bounded) + Math.floor(level / 2)
      })
      expect(ids![place]).toBe(((digits[0]! * 5 + digits[1]!) * 2 + digits[2]!) * 3 + digits[3]!)
      for (const [channel, digit] of digits.entries()) {
        const half = Math.floor(levels[channel]! / 2)
        expect(embedded![place * 4 + channel]).toBeCloseTo((digit - half) / half, 6)
      }
    }
  })

  test('reaches every id, and what it decodes to has that id again', () => {
    const ids = numbers(
      [1, 240, 1],
      Array.from({ length: 240 }, (_, i) => i),
    )
    const vectors = evaluate({ ids }, none, ({ ids: values }) => [quantizer.embed(values!)])[0]!
    expect(Math.min(...vectors)).toBe(-1)
    expect(Math.max(...vectors)).toBeLessThanOrEqual(1)
    const latents = vectors.map((x, i) => {
      const level = levels[i % 4]!
      const [half, reach, offset] = [Math.floor(level / 2), ((level - 1) * 1.001) / 2, level % 2 === 0 ? 0.5 : 0]
      return Math.atanh((x * half + offset) / reach) - Math.atanh(offset / reach)
    })
    const again = evaluate({ x: numbers([1, 240, 4], latents) }, none, ({ x }) => [quantizer.encode(x!)])[0]!
    expect([...again]).toEqual([...ids.data])
  })

  test('trains on what it decodes, with the gradient of the bound alone', () => {
    const latents = normals([1, 6, 4], 2)
    const [trained, decoded, slopes] = evaluate({ x: latents }, none, ({ x }) => {
      const { restored } = quantizer.train(x!)
      return [restored, quantizer.restore(quantizer.encode(x!)), gradients(sum(restored), [x!])[0]!]
    })
    for (const [i, x] of trained!.entries()) expect(x).toBeCloseTo(decoded![i]!, 6)
    for (const [i, slope] of slopes!.entries()) {
      const level = levels[i % 4]!
      const reach = ((level - 1) * 1.001) / 2
      const shift = Math.atanh((level % 2 === 0 ? 0.5 : 0) / reach)
      expect(slope).toBeCloseTo(((1 - Math.tanh(latents.data[i]! + shift) ** 2) * reach) / Math.floor(level / 2), 4)
    }
  })
})

describe('BinaryQuantizer', () => {
  const options: BinaryQuantizerOptions = { bits: 6, split: 2, deterministic: false, penalty: 'variance', weight: 1 }
  const latents = normals([2, 5, 6], 3)

  test('encodes the likelier bits, the first one counting most', () => {
    const quantizer = new BinaryQuantizer(options)
    const [ids, embedded] = evaluate({ x: latents }, none, ({ x }) => {
      const values = quantizer.encode(x!)
      return [values, quantizer.embed(values)]
    })
    const bits = [...latents.data].map((x) => Number(x > 0))
    expect([...ids!]).toEqual(Array.from({ length: 20 }, (_, i) => Number.parseInt(bits.slice(3 * i, 3 * i + 3).join(''), 2)))
    expect([...embedded!]).toEqual(bits.map((bit) => 2 * bit - 1))
  })

  test('trains on drawn bits, with the gradient of their expectation', () => {
    const quantizer = new BinaryQuantizer(options)
    const bits = numbers(
      [2, 5, 6],
      Array.from({ length: 60 }, (_, i) => ((i * 37) % 60) / 60),
    )
    const [drawn, slopes, variance] = evaluate({ x: latents, bits }, none, ({ x, bits: uniform }) => {
      const { restored, penalties } = quantizer.train(x!, { bits: uniform! })
      return [restored, gradients(sum(restored), [x!])[0]!, penalties.variance!]
    })
    let spread = 0
    for (const [i, z] of latents.data.entries()) {
      const p = sigmoid(z)
      expect(drawn![i]).toBeCloseTo(bits.data[i]! < p ? 1 : -1, 6)
      expect(slopes![i]).toBeCloseTo(2 * p * (1 - p), 5)
      spread += (p * (1 - p)) / 60
    }
    expect(variance![0]).toBeCloseTo(spread, 6)
  })

  test('deterministic bits with the entropy penalty: certain bits, each as often 1 as 0, cost least', () => {
    const quantizer = new BinaryQuantizer({ ...options, deterministic: true, penalty: 'entropy' })
    expect(quantizer.noise(5)).toEqual({})
    const cost = (data: readonly number[]) =>
      evaluate({ x: numbers([1, 2, 6], data) }, none, ({ x }) => [quantizer.train(x!, {}).penalties.entropy!])[0]![0]!
    const both = [...new Array(6).fill(40), ...new Array(6).fill(-40)]
    expect(cost(both)).toBeCloseTo(-Math.LN2, 4)
    expect(cost(new Array(12).fill(40))).toBeCloseTo(0, 4)
    expect(cost(new Array(12).fill(0))).toBeCloseTo(0, 4)
  })
})

describe('GaussianBottleneck', () => {
  const bottleneck = new GaussianBottleneck(2, 1)
  const latents = normals([3, 4, 4], 4)
  const noise = normals([3, 4, 2], 5)

  test('draws from its normal distributions, and penalises their divergence from the standard one', async () => {
    const start = await startOf(bottleneck)
    const [drawn, kl] = evaluate({ x: latents, noise }, start, ({ x, noise: epsilon }) => {
      const { restored, penalties } = bottleneck.train(x!, { latents: epsilon! })
      return [restored, penalties.kl!]
    })
    let divergence = 0
    for (let place = 0; place < 12; place++)
      for (const channel of [0, 1]) {
        const [mean, logVariance] = [latents.data[place * 4 + channel]!, latents.data[place * 4 + 2 + channel]!]
        const expected = mean + Math.exp(logVariance / 2) * noise.data[place * 2 + channel]!
        expect(drawn![place * 2 + channel]).toBeCloseTo(expected, 5)
        divergence += 0.5 * (mean ** 2 + Math.exp(logVariance) - 1 - logVariance)
      }
    expect(kl![0]).toBeCloseTo(divergence / 24, 5)
  })

  test('learns mean and deviation of its latents, and gives values of mean 0 and deviation 1 that restore them', async () => {
    const start = await startOf(bottleneck)
    const values = assigned({ x: latents, noise }, start, ({ x, noise: epsilon }) => [
      ...bottleneck.train(x!, { latents: epsilon! }).updates!,
    ])
    const [encoded, restored] = evaluate({ x: latents }, values, ({ x }) => {
      const scaled = bottleneck.encode(x!)
      return [scaled, bottleneck.restore(scaled)]
    })
    for (const channel of [0, 1]) {
      const of = (data: Float64Array) => [...data].filter((_, i) => i % 2 === channel)
      const mean = of(encoded!).reduce((a, b) => a + b) / 12
      expect(mean).toBeCloseTo(0, 5)
      expect(of(encoded!).reduce((sum, x) => sum + (x - mean) ** 2, 0) / 12).toBeCloseTo(1, 4)
      for (const [place, x] of of(restored!).entries()) expect(x).toBeCloseTo(latents.data[place * 4 + channel]!, 5)
    }
  })
})
