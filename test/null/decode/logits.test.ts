import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { NonFiniteError, OptionError, ShapeError } from '../../../src/base/errors.ts'
import { createRng } from '../../../src/base/rng.ts'
import { applyRules, type LogitsRule, logSoftmax } from '../../../src/decode/logits.ts'
import { largestIds, leadingIds } from '../../../src/decode/selection.ts'

const nothing = { tokens: [], promptLength: 0 }

describe('logSoftmax', () => {
  it('has the values of the definition', () => {
    const probabilities = [0.5, 0.25, 0.125, 0.125]
    const logProbs = logSoftmax(Float32Array.from(probabilities, Math.log).map((x) => x + 3))
    for (const [id, p] of probabilities.entries()) expect(logProbs[id]).toBeCloseTo(Math.log(p), 6)
  })

  it('sums in float64 and survives any offset', () => {
    const logits = createRng(1).fillNormal(new Float32Array(50_000))
    expect(logSoftmax(logits).reduce((sum, logProb) => sum + Math.exp(logProb), 0)).toBeCloseTo(1, 12)
    expect([...logSoftmax(Float32Array.of(3e38, 3e38))]).toEqual([-Math.LN2, -Math.LN2])
    expect([...logSoftmax(Float32Array.of(-3e38, Number.NEGATIVE_INFINITY))]).toEqual([0, Number.NEGATIVE_INFINITY])
    expect(logSoftmax(new Float32Array(1000))[7]).toBeCloseTo(-Math.log(1000), 12)
  })

  it.each([
    { what: 'NaN', logits: [0, Number.NaN] },
    { what: '+∞', logits: [0, Number.POSITIVE_INFINITY] },
    { what: 'everything excluded', logits: [Number.NEGATIVE_INFINITY, Number.NEGATIVE_INFINITY] },
    { what: 'no logits', logits: [] },
  ])('refuses $what', ({ logits }) => {
    expect(() => logSoftmax(Float32Array.from(logits))).toThrow(NonFiniteError)
    expect(() => applyRules([], Float32Array.from(logits), nothing)).toThrow(NonFiniteError)
  })
})

describe('applyRules', () => {
  const logits = Float32Array.of(1, 2, 3)
  const plus: LogitsRule = (x) => x.map((value) => value + 1)
  const double: LogitsRule = (x) => x.map((value) => value * 2)

  it('applies the rules in their order and hands on the context', () => {
    expect([...applyRules([plus, double], logits, nothing)]).toEqual([4, 6, 8])
    expect([...applyRules([double, plus], logits, nothing)]).toEqual([3, 5, 7])
    const biasLast: LogitsRule = (x, { tokens, promptLength }) =>
      x.map((value, id) => (id === tokens[promptLength] ? value + 10 : value))
    expect([...applyRules([biasLast], logits, { tokens: [0, 2], promptLength: 1 })]).toEqual([1, 2, 13])
    expect([...logits]).toEqual([1, 2, 3])
  })

  it('names the rule that breaks its promise', () => {
    const broken: LogitsRule = function brokenRule(x) {
      return x.map(() => Number.NaN)
    }
    expect(() => applyRules([plus, broken], logits, nothing)).toThrow(/rule 1 \(brokenRule\)/)
    expect(() => applyRules([broken], logits, nothing)).toThrow(NonFiniteError)
    expect(() => applyRules([(x) => x.subarray(1)], logits, nothing)).toThrow(ShapeError)
    expect(() => applyRules([(x) => [...x] as unknown as Float32Array], logits, nothing)).toThrow(ShapeError)
    expect(() => applyRules([(x) => x.map(() => Number.NEGATIVE_INFINITY)], logits, nothing)).toThrow(OptionError)
  })
})

describe('selection', () => {
  /** Slow and obvious: sort everything, then add up. */
  function leadingIdsBySorting(keys: readonly number[], need: number, weights: readonly number[]): number[] {
    const order = [...keys.keys()].sort((a, b) => keys[b]! - keys[a]! || a - b)
    let sum = 0
    const taken = order.filter((id) => {
      const before = sum
      sum += weights[id]!
      return before < need
    })
    return taken.sort((a, b) => a - b)
  }

  // Few distinct keys, so that ties are the rule; both zeros, infinities, subnormals.
  const key = fc.constantFrom(-1, -0, 0, 1, 1.5, 1e-42, -1e-42, 3e38, -3e38, Number.NEGATIVE_INFINITY, Math.fround(0.1))
  const anyKey = fc.oneof(key, fc.float({ noNaN: true }))

  it('takes the same ids as a full sort, by count', () => {
    fc.assert(
      fc.property(fc.array(anyKey, { minLength: 1, maxLength: 60 }), fc.integer({ min: 1, max: 70 }), (keys, count) => {
        const expected = leadingIdsBySorting(keys, count, new Array(keys.length).fill(1))
        expect([...leadingIds(Float32Array.from(keys), count)]).toEqual(expected)
      }),
      { seed: 1, numRuns: 500 },
    )
  })

  it('takes the same ids as a full sort, by weight', () => {
    // Multiples of 1/8 add up exactly in any order.
    const entry = fc.record({ key: anyKey, weight: fc.nat(8).map((eighths) => eighths / 8) })
    fc.assert(
      fc.property(fc.array(entry, { minLength: 1, maxLength: 60 }), fc.integer({ min: 1, max: 300 }), (entries, eighths) => {
        const keys = entries.map((e) => e.key)
        const weights = entries.map((e) => e.weight)
        const expected = leadingIdsBySorting(keys, eighths / 8, weights)
        expect([...leadingIds(Float32Array.from(keys), eighths / 8, Float64Array.from(weights))]).toEqual(expected)
      }),
      { seed: 2, numRuns: 500 },
    )
  })

  it('lists the largest in falling order, ties by id', () => {
    expect([...largestIds(Float32Array.of(1, 3, 2, 3, -1), 4)]).toEqual([1, 3, 2, 0])
    expect([...largestIds(Float32Array.of(Number.NEGATIVE_INFINITY, 0, Number.NEGATIVE_INFINITY), 3)]).toEqual([1, 0, 2])
  })

  it('handles a vocabulary of 150 000', () => {
    const logits = createRng(2).fillNormal(new Float32Array(150_000))
    const sorted = [...logits.keys()].sort((a, b) => logits[b]! - logits[a]! || a - b)
    expect([...largestIds(logits, 50)]).toEqual(sorted.slice(0, 50))
  })
})
