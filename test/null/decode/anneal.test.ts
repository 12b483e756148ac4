import { describe, expect, it } from 'vitest'
import { OptionError } from '../../../src/base/errors.ts'
import { type DisaOptions, disa } from '../../../src/decode/index.ts'

const countsOf = (options: DisaOptions, steps: number) => Array.from({ length: steps }, (_, step) => disa(options)(step, steps))

describe('disa', () => {
  it.each([
    ['linear', [50, 38, 27, 16, 5]],
    ['cosine', [50, 43, 27, 11, 5]],
    ['two-stage', [50, 50, 50, 5, 5]],
    ['constant', [50, 50, 50, 50, 50]],
  ] as const)('%s from 50 to 5 over five steps, and in reverse', (schedule, expected) => {
    expect(countsOf({ upper: 50, lower: 5, schedule }, 5)).toEqual(expected)
    expect(countsOf({ upper: 50, lower: 5, schedule, reverse: true }, 5)).toEqual([...expected].reverse())
  })

  it('needs about 27 of 50 steps on average over 64', () => {
    const counts = countsOf({ upper: 50, lower: 5, schedule: 'linear' }, 64)
    expect(counts.reduce((total, count) => total + count, 0) / 64).toBeCloseTo(27, 0)
    for (let i = 1; i < 64; i++) expect(counts[i]).toBeLessThanOrEqual(counts[i - 1]!)
  })

  it('is exact where shares of whole numbers are whole', () => {
    // (1 + cos 60°) / 2 = ¾, which is less in doubles or not, as the rounding falls.
    expect(countsOf({ upper: 45, lower: 5, schedule: 'cosine' }, 4)).toEqual([45, 35, 15, 5])
  })

  it('takes upper for a single step, and one number where both are alike', () => {
    for (const schedule of ['linear', 'cosine', 'two-stage', 'constant'] as const) {
      expect(countsOf({ upper: 20, lower: 3, schedule }, 1)).toEqual([20])
      expect(countsOf({ upper: 7, lower: 7, schedule }, 6)).toEqual([7, 7, 7, 7, 7, 7])
    }
  })

  it.each([
    ['lower below 1', { upper: 5, lower: 0, schedule: 'linear' }],
    ['lower above upper', { upper: 5, lower: 6, schedule: 'linear' }],
    ['halves', { upper: 5.5, lower: 1, schedule: 'linear' }],
    ['another schedule', { upper: 5, lower: 1, schedule: 'exponential' }],
    ['another direction', { upper: 5, lower: 1, schedule: 'linear', reverse: 'yes' }],
    ['unknown options', { upper: 5, lower: 1, schedule: 'linear', steps: 4 }],
  ])('refuses %s', (_name, options) => {
    expect(() => disa(options as DisaOptions)).toThrow(OptionError)
  })

  it('refuses steps that do not exist', () => {
    const schedule = disa({ upper: 5, lower: 1, schedule: 'linear' })
    for (const step of [-1, 4, 0.5]) expect(() => schedule(step, 4)).toThrow(OptionError)
  })
})
