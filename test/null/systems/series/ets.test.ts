import { expect, it } from 'vitest'
import { createRng } from '../../../../src/base/rng.ts'
import type { SeriesFrame } from '../../../../src/data/index.ts'
import { withoutLast } from '../../../../src/data/index.ts'
import { backtest, crossValidate, evaluate, fitForecaster, restoreForecaster } from '../../../../src/systems/index.ts'
import { accidentalDeaths, airPassengers, frameOf } from './classic-series.ts'

const model = 'ets'

async function forecastOf(values: ArrayLike<number>, options: object = {}) {
  const forecaster = await fitForecaster(frameOf(values), { model, horizon: 12, options: { intervals: 'model' }, ...options })
  return (await forecaster.forecast({ levels: [95] })).series[0]!
}

it('forecasts the year after AirPassengers about as R does', async () => {
  // R 4.2.2, forecast 8.20: forecast(ets(AirPassengers), h = 12), of a model that is less likely than ours by Akaike's criterion.
  const ofR = [441.8018, 434.1186, 496.63, 483.2375, 483.9914, 551.0244]
  const { mean, intervals } = await forecastOf(airPassengers)
  for (const [step, value] of ofR.entries()) expect(Math.abs(mean[step]! / value - 1)).toBeLessThan(0.02)
  expect(Math.abs(intervals.get(95)!.lower[0]! / 407.886 - 1)).toBeLessThan(0.02)
})

it('goes on with a history that grows as if it had been fitted with it and the same weights', async () => {
  const frame = frameOf(accidentalDeaths)
  const part: SeriesFrame = { ...frame, series: frame.series.map((series) => withoutLast(series, 12)) }
  const forecaster = await fitForecaster(part, { model, horizon: 1 })
  const restored = await restoreForecaster(JSON.parse(JSON.stringify(forecaster)))
  const { windows } = await backtest(forecaster, frame, { windows: 12 })
  const again = await backtest(restored, frame, { windows: 12 })
  expect(again.windows).toEqual(windows)
  // The same months of the years before, one of which is the naive forecast.
  const [all] = evaluate({ model, levels: [], windows })
  expect(all!.mase).toBeLessThan(0.8)
})

it('knows the season of a history that begins in another month, and of a series that it has never seen', async () => {
  const forecaster = await fitForecaster(frameOf(airPassengers), { model, horizon: 12 })
  const whole = await forecaster.forecast()
  const [series] = frameOf(airPassengers.slice(19)).series
  for (const id of ['y', 'another']) {
    const later = { ...frameOf([]), series: [{ ...series!, id, start: Date.UTC(1950, 7, 1) }] }
    const { mean } = (await forecaster.forecast({ history: later, levels: [] })).series[0]!
    for (const [step, value] of mean.entries()) expect(Math.abs(value / whole.series[0]!.mean[step]! - 1)).toBeLessThan(0.03)
  }
})

it('learns anew where what it learnt cannot be: values below 0 after a multiplicative model', async () => {
  const forecaster = await fitForecaster(frameOf(airPassengers), { model, horizon: 3, options: { season: 'multiplicative' } })
  const negative = frameOf(airPassengers.map((value) => value - 300))
  await expect(forecaster.forecast({ history: negative })).rejects.toThrow(/has no model such as asked; expected positive values/)
  const free = await fitForecaster(frameOf(airPassengers), { model, horizon: 3 })
  const { mean } = (await free.forecast({ history: negative })).series[0]!
  expect(mean.every(Number.isFinite)).toBe(true)
})

it.each([
  ['a constant', new Array(30).fill(7)],
  ['zeros', new Array(30).fill(0)],
  ['a line', Array.from({ length: 30 }, (_, i) => 3 * i - 20)],
  ['five values', [3, 1, 4, 1, 5]],
  ['two seasons', airPassengers.slice(0, 24)],
  ['two seasons and a month', airPassengers.slice(0, 25)],
  ['negative values', airPassengers.map((value) => -value)],
  ['huge values', airPassengers.map((value) => value * 1e120)],
  ['tiny values', airPassengers.map((value) => value * 1e-120)],
  ['a jump', [...new Array(20).fill(0), ...new Array(20).fill(1e6)]],
  ['rare events', Array.from({ length: 60 }, (_, i) => (i % 7 === 0 ? 3 : 0))],
])('%s: finite means inside finite intervals', async (_, values) => {
  const { mean, intervals } = await forecastOf(values)
  const { lower, upper } = intervals.get(95)!
  for (const [step, value] of mean.entries()) {
    expect(lower[step]).toBeLessThanOrEqual(value)
    expect(upper[step]).toBeGreaterThanOrEqual(value)
    expect(Number.isFinite(lower[step]! + upper[step]!)).toBe(true)
  }
})

it('continues a line and a constant exactly', async () => {
  const line = await forecastOf(Array.from({ length: 30 }, (_, i) => 3 * i - 20))
  for (const [step, value] of line.mean.entries()) expect(value).toBeCloseTo(3 * (30 + step) - 20, 4)
  const constant = await forecastOf(new Array(30).fill(7))
  for (const value of constant.mean) expect(value).toBeCloseTo(7, 9)
})

it('keeps to the options given, and refuses what cannot be', async () => {
  const letters = async (options: object, values = airPassengers) => {
    const forecaster = await fitForecaster(frameOf(values), { model, horizon: 2, options })
    const { state } = JSON.parse(JSON.stringify(forecaster)) as { state: { y: { model: Record<string, unknown> } } }
    return state.y.model
  }
  expect(await letters({ season: 'additive' })).toMatchObject({ season: 'additive' })
  expect(await letters({ trend: 'none' })).toMatchObject({ trend: 'none' })
  expect(await letters({ damped: true })).toMatchObject({ trend: 'damped' })
  expect(await letters({ error: 'additive' })).toMatchObject({ error: 'additive' })
  await expect(letters({ trend: 'none', damped: true })).rejects.toThrow(/no model such as asked/)
  await expect(letters({ season: 'additive' }, airPassengers.slice(0, 24))).rejects.toThrow(/more than two seasons/)
  await expect(letters({ season: 'weekly' })).rejects.toThrow(/season/)
  await expect(fitForecaster(frameOf([1, 2, 3, 4]), { model, horizon: 1 })).rejects.toThrow(/4 values; expected at least 5/)
})

it('the intervals of its models hold about what they say of a level that wanders', async () => {
  const noise = new Float32Array(2 * 40 * 120)
  createRng(5).fillNormal(noise)
  const series = Array.from({ length: 40 }, (_, index) => {
    let level = 50
    const values = Float64Array.from({ length: 120 }, (_, i) => {
      const error = noise[index * 120 + i]!
      const value = level + error
      level += 0.4 * error
      return value
    })
    return { ...frameOf(values).series[0]!, id: `s${index}` }
  })
  const windows = await crossValidate(
    { ...frameOf([]), series },
    {
      model,
      horizon: 6,
      windows: 1,
      season: 1,
      options: { intervals: 'model' },
    },
  )
  const [all] = evaluate(windows)
  expect(all!.coverage[80]).toBeGreaterThan(0.72)
  expect(all!.coverage[80]).toBeLessThan(0.88)
  expect(all!.coverage[95]).toBeGreaterThan(0.89)
})
