import fc from 'fast-check'
import { cumulativeStdNormalProbability, mean } from 'simple-statistics'
import { describe, expect, it } from 'vitest'
import { OptionError } from '../../../src/base/errors.ts'
import { createRng } from '../../../src/base/rng.ts'
import {
  checkMaskCounts,
  chooseKnown,
  type MaskCurve,
  maskedCount,
  maskRate,
  maskSchedule,
  mostlyMasked,
} from '../../../src/orders/index.ts'

const curves: MaskCurve[] = ['cosine', 'linear', 'square', 'cubic', 'root']
const rng = createRng(11)

describe('maskSchedule', () => {
  it('rounds the share that is still masked down', () => {
    expect([...maskSchedule('linear', { values: 8, steps: 4 })]).toEqual([6, 4, 2, 0])
    expect([...maskSchedule('linear', { values: 10, steps: 10 })]).toEqual([9, 8, 7, 6, 5, 4, 3, 2, 1, 0])
    // 100 · cos(π/2 · i/4) = 92.4, 70.7, 38.3, 0
    expect([...maskSchedule('cosine', { values: 100, steps: 4 })]).toEqual([92, 70, 38, 0])
    // 16 · (1 − (i/4)²) = 15, 12, 7, 0
    expect([...maskSchedule('square', { values: 16, steps: 4 })]).toEqual([15, 12, 7, 0])
    expect([...maskSchedule('cubic', { values: 64, steps: 4 })]).toEqual([63, 56, 37, 0])
    // 100 · (1 − √(i/4)) = 50, 29.3, 13.4, 0
    expect([...maskSchedule('root', { values: 100, steps: 4 })]).toEqual([50, 29, 13, 0])
    expect([...maskSchedule((progress) => (1 - progress) ** 2, { values: 16, steps: 4 })]).toEqual([9, 4, 1, 0])
  })

  it('settles at least one value a step', () => {
    expect([...maskSchedule('cosine', { values: 5, steps: 5 })]).toEqual([4, 3, 2, 1, 0])
    expect([...maskSchedule('root', { values: 4, steps: 4 })]).toEqual([3, 2, 1, 0].map((most, step) => Math.min(most, 3 - step)))
    fc.assert(
      fc.property(fc.constantFrom(...curves), fc.integer({ min: 1, max: 60 }), fc.nat(), (curve, values, more) => {
        const steps = 1 + (more % values)
        const counts = maskSchedule(curve, { values, steps })
        expect(counts).toHaveLength(steps)
        expect(() => checkMaskCounts(counts, values)).not.toThrow()
      }),
      { seed: 3, numRuns: 200 },
    )
  })

  it('refuses more steps than values, and curves that skip positions', () => {
    for (const [values, steps] of [
      [3, 4],
      [0, 1],
      [4, 0],
      [4, 1.5],
      [Number.NaN, 1],
    ] as const) {
      expect(() => maskSchedule('cosine', { values, steps })).toThrow(OptionError)
    }
    const refused = [() => 0.5, (progress: number) => progress, () => Number.NaN, (progress: number) => 2 - 2 * progress]
    for (const curve of refused) expect(() => maskSchedule(curve, { values: 8, steps: 4 })).toThrow(OptionError)
    expect(() => maskSchedule('sine' as MaskCurve, { values: 8, steps: 4 })).toThrow(/unknown mask curve 'sine'/)
    expect(() => maskSchedule('toString' as MaskCurve, { values: 8, steps: 4 })).toThrow(OptionError)
  })
})

describe('checkMaskCounts', () => {
  it('passes counts that fall to 0', () => {
    expect([...checkMaskCounts([5, 1, 0], 6)]).toEqual([5, 1, 0])
  })

  it('refuses others', () => {
    expect(() => checkMaskCounts([5, 2], 6)).toThrow(/skips 2 values/)
    for (const counts of [[], [6, 0], [3, 3, 0], [2, 3, 0], [-1], [0.5, 0], [0, 0]]) {
      expect(() => checkMaskCounts(counts, 6)).toThrow(OptionError)
    }
  })
})

describe('maskRate', () => {
  const draws = (rate: Parameters<typeof maskRate>[0]) =>
    Array.from({ length: 4000 }, (_, index) => maskRate(rate, rng.fold(index)))

  it('reads a curve at a uniform number', () => {
    expect(maskRate('cosine', rng)).toBeCloseTo(Math.cos((Math.PI * rng.uniformAt(0)) / 2), 14)
    // E cos(πu/2) = 2/π, E(1 − u²) = 2/3; standard errors 0.005
    expect(Math.abs(mean(draws('cosine')) - 2 / Math.PI)).toBeLessThan(0.02)
    expect(Math.abs(mean(draws('square')) - 2 / 3)).toBeLessThan(0.02)
  })

  it('draws from a truncated normal distribution', () => {
    const rates = draws(mostlyMasked)
    for (const rate of rates) {
      expect(rate).toBeGreaterThanOrEqual(0.7)
      expect(rate).toBeLessThanOrEqual(1)
    }
    // distribution function of N(1, 0.25²) given 0.7 ≤ rate ≤ 1, at three points
    const below = (x: number) => cumulativeStdNormalProbability((x - 1) / 0.25)
    for (const x of [0.8, 0.9, 0.97]) {
      const share = rates.filter((rate) => rate < x).length / rates.length
      expect(Math.abs(share - (below(x) - below(0.7)) / (0.5 - below(0.7)))).toBeLessThan(0.03)
    }
  })

  it('refuses bounds that no rate can have', () => {
    const bad = [
      { ...mostlyMasked, most: 1.5 },
      { ...mostlyMasked, least: 1 },
      { ...mostlyMasked, deviation: 0 },
      { ...mostlyMasked, mean: Number.NaN },
      { ...mostlyMasked, mean: 40 },
      { ...mostlyMasked, width: 1 },
    ]
    for (const rate of bad) expect(() => maskRate(rate, rng)).toThrow(OptionError)
  })
})

describe('maskedCount', () => {
  it('is the nearest number, at least one', () => {
    expect([0, 0.01, 0.5, 0.88, 1].map((rate) => maskedCount(rate, 8))).toEqual([1, 1, 4, 7, 8])
    for (const rate of [-0.1, 1.1, Number.NaN]) expect(() => maskedCount(rate, 8)).toThrow(OptionError)
    expect(() => maskedCount(0.5, 0)).toThrow(OptionError)
  })
})

describe('chooseKnown', () => {
  it('masks as many as asked, and never what is given', () => {
    fc.assert(
      fc.property(fc.array(fc.boolean(), { minLength: 1, maxLength: 20 }), fc.nat(), (given, seed) => {
        const free = given.filter((bit) => !bit).length
        if (free === 0) return
        const masked = 1 + (seed % free)
        const known = chooseKnown(createRng(seed), { values: given.length, masked, given: given.map(Number) })
        expect(known.filter((bit) => bit === 0)).toHaveLength(masked)
        expect(given.every((bit, value) => !bit || known[value] === 1)).toBe(true)
      }),
      { seed: 5, numRuns: 100 },
    )
  })

  it('masks subsets as less is masked', () => {
    const choices = [9, 6, 2, 1].map((masked) => chooseKnown(rng, { values: 12, masked }))
    for (const [index, known] of choices.entries()) {
      const before = choices[index - 1]
      if (before) expect(known.every((bit, value) => bit >= before[value]!)).toBe(true)
    }
  })

  it('chooses all sets equally often', () => {
    const tally = new Map<string, number>()
    for (let trial = 0; trial < 3000; trial++) {
      const key = chooseKnown(rng.fold(trial), { values: 4, masked: 2 }).join('')
      tally.set(key, (tally.get(key) ?? 0) + 1)
    }
    expect(tally.size).toBe(6)
    // χ² with 5 degrees of freedom is below 25.7 in 99.99% of cases
    const squares = [...tally.values()].reduce((sum, count) => sum + (count - 500) ** 2 / 500, 0)
    expect(squares).toBeLessThan(25.7)
  })

  it('refuses to mask nothing, or more than there is', () => {
    expect(() => chooseKnown(rng, { values: 4, masked: 0 })).toThrow(OptionError)
    expect(() => chooseKnown(rng, { values: 4, masked: 5 })).toThrow(OptionError)
    expect(() => chooseKnown(rng, { values: 4, masked: 4, given: [1, 0, 0, 0] })).toThrow(/the 3 that are not given/)
    expect(() => chooseKnown(rng, { values: 4, masked: 1, given: [1] })).toThrow(OptionError)
  })
})
