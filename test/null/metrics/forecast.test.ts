import { probit } from 'simple-statistics'
import { describe, expect, it } from 'vitest'
import { createRng } from '../../../src/base/rng.ts'
import {
  binomialInterval,
  coverage,
  pinballLoss,
  pointMetrics,
  quantileScore,
  scaledIntervalScore,
  seasonalScale,
  weightedQuantileLoss,
} from '../../../src/metrics/index.ts'

describe('errors of forecasts', () => {
  it('are as one works them out by hand', () => {
    const { mse, mae, rmse, smape, wape } = pointMetrics([1, 2, 0, 4], [2, 2, 0, 2])
    expect(mse).toBe((1 + 4) / 4)
    expect(rmse).toBeCloseTo(Math.sqrt(1.25), 12)
    expect(mae).toBe(3 / 4)
    expect(wape).toBe(3 / 7)
    // |1−2|/3, 0/4, 0/0 → 0, |4−2|/6
    expect(smape).toBeCloseTo((200 * (1 / 3 + 1 / 3)) / 4, 12)
  })

  it('refuse what cannot be compared', () => {
    expect(() => pointMetrics([], [])).toThrow(/nothing to compare/)
    expect(() => pointMetrics([1], [1, 2])).toThrow(/1 values and 2 forecasts/)
  })

  it('are scaled by differences a season apart', () => {
    expect(seasonalScale([1, 2, 4, 8], 1)).toBeCloseTo(7 / 3, 12)
    expect(seasonalScale([1, 2, 4, 8], 2)).toBe((3 + 6) / 2)
    expect(() => seasonalScale([1, 2], 2)).toThrow(/season of 2/)
    expect(() => seasonalScale([1, 2, 1, 2], 2)).toThrow(/repeats itself/)
  })
})

describe('intervals and quantiles', () => {
  it('pinball loss is least at the quantile', () => {
    const values = Float64Array.from({ length: 999 }, (_, i) => i + 1)
    const lossAt = (guess: number) => pinballLoss(values, new Float64Array(999).fill(guess), 0.8)
    const best = [700, 750, 800, 850, 900].map(lossAt)
    expect(best.indexOf(Math.min(...best))).toBe(2)
    expect(() => pinballLoss([1], [1], 1)).toThrow(/quantile 1/)
  })

  it('the quantile score of a normal forecast nears its CRPS in closed form', () => {
    // CRPS of N(0, 1) at y = 0 is (√2 − 1)/√π. Gneiting & Raftery 2007, equation 21.
    const quantiles = Array.from({ length: 999 }, (_, i) => (i + 1) / 1000)
    const forecast = new Map(quantiles.map((quantile) => [quantile, [probit(quantile)]]))
    expect(quantileScore([0], forecast)).toBeCloseTo((Math.SQRT2 - 1) / Math.sqrt(Math.PI), 2)
  })

  it('counts what lies inside, borders included', () => {
    expect(coverage([1, 2, 3, 4], { lower: [1, 0, 4, 4], upper: [2, 1, 5, 4] })).toBe(0.5)
  })

  it('the share of a count lies where R says', () => {
    // R 4.2.2: binom.test(inside, count)$conf.int
    const cases = [
      [8, 10, 0.4439045377, 0.9747892737],
      [0, 5, 0, 0.5218237501],
      [5, 5, 0.4781762499, 1],
      [950, 1000, 0.9346095121, 0.9626646024],
    ] as const
    for (const [inside, count, low, high] of cases) {
      const [least, most] = binomialInterval(inside, count)
      expect(least).toBeCloseTo(low, 8)
      expect(most).toBeCloseTo(high, 8)
    }
    expect(() => binomialInterval(3, 2)).toThrow(/3 of 2/)
  })

  it('the weighted quantile loss of one quantile is 2·Σ pinball / Σ|y|', () => {
    const forecasts = new Map([[0.9, [2, 2, 2]]])
    // Pinball at 0.9: 0.1 · 1, 0.9 · 2, 0.1 · 4.
    expect(weightedQuantileLoss([1, 4, -2], forecasts)).toBeCloseTo((2 * (0.1 + 1.8 + 0.4)) / 7, 12)
  })

  it('the interval score is the width, and more for what lies outside', () => {
    const interval = { lower: [0, 0, 0], upper: [2, 2, 2] }
    // Outside by 1 twice, at α = 0.2: (2 + 2 + 2 + 10·(1 + 1)) / 3, over a scale of 2.
    expect(scaledIntervalScore([-1, 1, 3], interval, { level: 80, scale: 2 })).toBeCloseTo((6 + 20) / 3 / 2, 12)
  })

  it('the interval score of normal values is least for their own quantiles', () => {
    const values = new Float64Array(20_000)
    createRng(1).fillNormal(values as unknown as Float32Array)
    const score = (half: number) =>
      scaledIntervalScore(values, { lower: values.map(() => -half), upper: values.map(() => half) }, { level: 80, scale: 1 })
    const scores = [0.9, 1.1, probit(0.9), 1.5, 1.8].map(score)
    expect(scores.indexOf(Math.min(...scores))).toBe(2)
  })
})
