import { describe, expect, it } from 'vitest'
import { createRng } from '../../../../src/base/rng.ts'
import { forecastFrom, type SmoothingModel, smooth } from '../../../../src/systems/statistics/exponential-smoothing.ts'
import { bestSmoothing, fitSmoothing, smoothingModels } from '../../../../src/systems/statistics/fit-smoothing.ts'
import { nelderMead } from '../../../../src/systems/statistics/nelder-mead.ts'
import { accidentalDeaths, airPassengers, gas, nile } from './classic-series.ts'
import { type SmoothingOfR, smoothingsOfR } from './smoothings-of-r.ts'

const words = { A: 'additive', M: 'multiplicative', N: 'none' } as const

function modelOf({ letters, period }: Pick<SmoothingOfR, 'letters' | 'period'>): SmoothingModel {
  const [error, trend, season, damped] = letters as unknown as ('A' | 'M' | 'N' | 'd')[]
  const model = { error: words[error as 'A'], season: words[season as 'A'], period }
  return { ...model, trend: damped === 'd' ? 'damped' : (words[trend as 'A'] as 'additive') }
}

const series = { gas: Float64Array.from(gas), accidentalDeaths: Float64Array.from(accidentalDeaths) }

describe.each(smoothingsOfR)('$letters', (fit) => {
  const model = modelOf(fit)
  const [level, slope, season, damping] = fit.weights as [number, number, number, number]
  const weights = { level, slope, season, damping }
  const from = { level: fit.initial[0]!, slope: fit.initial[1]!, season: Float64Array.from(fit.season) }
  const values = series[fit.series]

  it('has the likelihood that R says of its parameters', () => {
    const { squares, logs } = smooth(model, weights, from, values)
    expect(-0.5 * (values.length * Math.log(squares) + 2 * logs)).toBeCloseTo(fit.logLikelihood, 6)
  })

  // R forecasts MAM with the slope undamped in its first step (8.20): its mean is (level + slope) · season. The next test has that model.
  it.skipIf(fit.letters === 'MAMd')('forecasts the means and bounds that R forecasts', () => {
    const { state } = smooth(model, weights, from, values)
    const { mean, variance } = forecastFrom(model, weights, state, { horizon: 10, variance: fit.variance })
    for (const [i, step] of [0, 5, 9].entries()) {
      expect(mean[step]! / fit.mean[i]!).toBeCloseTo(1, 8)
      expect((mean[step]! + 1.959963984540054 * Math.sqrt(variance[step]!)) / fit.upper[i]!).toBeCloseTo(1, 8)
    }
  })

  it('is at least as likely where our search ends, with the criterion and variance that R would have of it', () => {
    const ours = fitSmoothing(model, values)
    expect(-ours.deviance / 2).toBeGreaterThan(fit.logLikelihood - 0.01)
    expect(ours.aicc - ours.deviance).toBeCloseTo(fit.aicc + 2 * fit.logLikelihood, 5)
    const { squares } = smooth(model, weights, from, values)
    const { squares: own } = smooth(model, ours.weights, ours.initial, values)
    expect(ours.variance / own).toBeCloseTo(fit.variance / squares, 8)
  })
})

it('moments of factors are those of simulated ways', () => {
  const model = modelOf({ letters: 'MAMd', period: 3 })
  const weights = { level: 0.4, slope: 0.2, season: 0.5, damping: 0.9 }
  const state = { level: 10, slope: 1, season: Float64Array.of(0.8, 1.3, 0.9) }
  const [horizon, variance, count] = [8, 0.01, 40_000]
  const noise = new Float32Array(count * horizon)
  createRng(3).fillNormal(noise)
  const [sums, squares] = [new Float64Array(horizon), new Float64Array(horizon)]
  for (let way = 0; way < count; way++) {
    let { level, slope } = state
    const season = [...state.season]
    for (let step = 0; step < horizon; step++) {
      const error = 0.1 * noise[way * horizon + step]!
      const trend = level + 0.9 * slope
      const value = trend * season[step % 3]! * (1 + error)
      level = trend * (1 + 0.4 * error)
      slope = 0.9 * slope + 0.2 * trend * error
      season[step % 3]! *= 1 + 0.5 * error
      sums[step]! += value
      squares[step]! += value ** 2
    }
  }
  const forecast = forecastFrom(model, weights, state, { horizon, variance })
  for (let step = 0; step < horizon; step++) {
    const mean = sums[step]! / count
    // Four standard errors of 40,000 ways.
    expect(Math.abs(mean - forecast.mean[step]!)).toBeLessThan(0.02 * Math.sqrt(forecast.variance[step]!))
    expect((squares[step]! / count - mean ** 2) / forecast.variance[step]!).toBeCloseTo(1, 1)
  }
})

it.each([
  // R's choices: AICc 1400.638 of ETS(M,Ad,M), 1148.716 of ETS(A,N,A), 1256.558 of ETS(M,A,M), 1458.552 of ETS(M,N,N); ours is never worse.
  ['AirPassengers', airPassengers, 12, ['multiplicative', 'multiplicative'], 1400.638],
  ['USAccDeaths', accidentalDeaths, 12, ['additive', 'additive'], 1148.716],
  ['UKgas', gas, 4, ['multiplicative', 'multiplicative'], 1256.558],
  ['Nile', nile, 1, ['multiplicative', 'none'], 1458.552],
])('chooses the kind of model that R chooses for %s', (_, list, period, [error, season], aicc) => {
  const values = Float64Array.from(list)
  const best = bestSmoothing(smoothingModels(values, period), values)!
  expect(best.model).toMatchObject({ error, season })
  expect(best.aicc).toBeLessThan(aicc + 0.01)
})

it('goes down a valley that bends, and out of infinite surroundings', () => {
  const valley = (at: Float64Array) =>
    at[0]! > 5 ? Number.POSITIVE_INFINITY : (1 - at[0]!) ** 2 + 100 * (at[1]! - at[0]! ** 2) ** 2
  const found = nelderMead(valley, Float64Array.of(-1.2, 1), { steps: [10, 0.1], evaluations: 2000, tolerance: 1e-12 })
  expect(found.at[0]).toBeCloseTo(1, 4)
  expect(found.at[1]).toBeCloseTo(1, 4)
})
