import { describe, expect, it } from 'vitest'
import { NonFiniteError, OptionError } from '../../../src/base/errors.ts'
import { createRng } from '../../../src/base/rng.ts'
import { logSoftmax } from '../../../src/decode/logits.ts'
import { greedyToken, sampleToken } from '../../../src/decode/sample.ts'
import { typicalP } from '../../../src/decode/truncation.ts'
import { chiSquare, chiSquareLimit, histogram } from '../rng-statistics.ts'

const none = Number.NEGATIVE_INFINITY
const count = 20_000
const noise = createRng(11).fold('sample')
const logits = Float32Array.of(1, -0.5, none, 2, 0.3, -1)
const probabilities = Array.from(logSoftmax(logits), Math.exp)

/** Pearson's statistic of samples that a sampler draws, over the tokens that are possible. */
function statistic(sample: (uniform: number) => number): number {
  const counts = histogram(
    Array.from({ length: count }, (_, i) => sample(noise.uniformAt(i))),
    logits.length,
  )
  expect(counts[2]).toBe(0)
  const possible = [0, 1, 3, 4, 5]
  const pick = (values: readonly number[]) => possible.map((id) => values[id]!)
  return chiSquare(
    pick(counts),
    pick(probabilities).map((p) => p * count),
  )
}

describe('sampleToken', () => {
  it('inverts the cumulative distribution, by rising id', () => {
    const quarters = Float32Array.of(0, none, 0, 0, none, 0, none)
    const tokens = [0, 0.2499, 0.25, 0.4999, 0.5, 0.7499, 0.75, 1 - 2 ** -53].map((uniform) => sampleToken(quarters, uniform))
    expect(tokens).toEqual([0, 0, 2, 2, 3, 3, 5, 5])
  })

  it('never takes an excluded token, at the edges either', () => {
    expect(sampleToken(Float32Array.of(none, 0, none), 0)).toBe(1)
    expect(sampleToken(Float32Array.of(none, 0, none), 1 - 2 ** -53)).toBe(1)
    expect(sampleToken(Float32Array.of(-1000, 0, -1000), 0)).toBe(1)
    expect(sampleToken(Float32Array.of(-1000, 0, -1000), 1 - 2 ** -53)).toBe(1)
  })

  it('draws from the softmax', () => {
    expect(statistic((uniform) => sampleToken(logits, uniform))).toBeLessThan(chiSquareLimit(4))
  })

  it.each([
    { what: 'a warped noise', sample: (uniform: number) => sampleToken(logits, uniform ** 1.05) },
    {
      what: 'a slightly wrong temperature',
      sample: (uniform: number) =>
        sampleToken(
          logits.map((x) => x / 1.1),
          uniform,
        ),
    },
    { what: 'an off-by-one token now and then', sample: (uniform: number) => (uniform > 0.98 ? 0 : sampleToken(logits, uniform)) },
  ])('$what would be noticed', ({ sample }) => {
    expect(statistic(sample)).toBeGreaterThan(chiSquareLimit(4))
  })

  it('typical sampling of the whole mass is plain sampling', () => {
    const all = typicalP(1)(logits, { tokens: [], promptLength: 0 })
    expect(statistic((uniform) => sampleToken(all, uniform))).toBeLessThan(chiSquareLimit(4))
  })

  it('refuses noise outside [0, 1) and broken logits', () => {
    for (const uniform of [-0.1, 1, Number.NaN]) expect(() => sampleToken(logits, uniform)).toThrow(OptionError)
    for (const broken of [
      [Number.NaN, 0],
      [none, none],
      [0, Number.POSITIVE_INFINITY],
    ]) {
      expect(() => sampleToken(Float32Array.from(broken), 0.5)).toThrow(NonFiniteError)
      expect(() => greedyToken(Float32Array.from(broken))).toThrow(NonFiniteError)
    }
  })
})

describe('greedyToken', () => {
  it('takes the largest, of equals the first', () => {
    expect(greedyToken(logits)).toBe(3)
    expect(greedyToken(Float32Array.of(none, 1, 2, 2))).toBe(2)
    expect(greedyToken(Float32Array.of(-0, 0))).toBe(0)
  })
})
