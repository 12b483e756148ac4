import fc from 'fast-check'
import { expect, test } from 'vitest'
import { OptionError } from '../../../src/base/errors.ts'
import { constant, cosine, wsd } from '../../../src/train/index.ts'

test('constant', () => {
  expect([0, 1, 1e6].map(constant(0.3))).toEqual([0.3, 0.3, 0.3])
})

test('cosine climbs in a line, then falls along half a cosine to the floor and stays', () => {
  const schedule = cosine({ peak: 1, warmup: 3, steps: 11, floor: 0.2 })
  expect([0, 1, 2, 3].map(schedule)).toEqual([0.25, 0.5, 0.75, 1])
  expect(schedule(7)).toBeCloseTo(0.6, 12)
  expect(schedule(5)).toBeCloseTo(0.2 + 0.8 * Math.cos(Math.PI / 8) ** 2, 12)
  expect([11, 12, 1e9].map(schedule)).toEqual([0.2, 0.2, 0.2])
})

test('wsd climbs, stays, and falls in a line over the last share', () => {
  const schedule = wsd({ peak: 2, warmup: 1, steps: 10, decayFraction: 0.5, floor: 1 })
  expect([0, 1, 3, 5].map(schedule)).toEqual([1, 2, 2, 2])
  expect([6, 8, 10, 11].map(schedule)).toEqual([1.8, 1.4, 1, 1])
})

test('a schedule stays between 0 and its peak, is never 0 before its end, and has no jump after its warm-up', () => {
  const options = fc.record({
    peak: fc.double({ min: 1e-6, max: 10, noNaN: true }),
    warmup: fc.integer({ min: 0, max: 20 }),
    steps: fc.integer({ min: 21, max: 200 }),
  })
  fc.assert(
    fc.property(options, fc.integer({ min: 0, max: 250 }), (given, step) => {
      for (const schedule of [cosine(given), wsd(given)]) {
        const [here, next] = [schedule(step), schedule(step + 1)]
        expect(here).toBeLessThanOrEqual(given.peak)
        expect(here).toBeGreaterThanOrEqual(0)
        if (step < given.steps - 1) expect(here).toBeGreaterThan(0)
        if (step >= given.warmup) expect(next).toBeLessThanOrEqual(here)
      }
    }),
  )
})

test('impossible settings are refused', () => {
  expect(() => constant(-1)).toThrow(OptionError)
  expect(() => cosine({ peak: 0, steps: 10 })).toThrow(OptionError)
  expect(() => cosine({ peak: 1, steps: 10, warmup: 10 })).toThrow('warmup must be shorter than steps')
  expect(() => cosine({ peak: 1, steps: 10, floor: 2 })).toThrow('floor must not be above peak')
  expect(() => wsd({ peak: 1, steps: 10, decayFraction: 0 })).toThrow(OptionError)
  expect(() => wsd({ peak: 1, steps: 10, decay: 0.1 } as never)).toThrow(OptionError)
  expect(() => cosine({ peak: 1, steps: 2.5 })).toThrow(OptionError)
})
