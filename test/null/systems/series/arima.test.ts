import { describe, expect, it } from 'vitest'
import { createRng } from '../../../../src/base/rng.ts'
import { fitForecaster, restoreForecaster } from '../../../../src/systems/index.ts'
import { type ArimaOrders, forecastArima } from '../../../../src/systems/statistics/arima-model.ts'
import { findOrders } from '../../../../src/systems/statistics/arima-orders.ts'
import { differencesNeeded, kpss, seasonalStrength } from '../../../../src/systems/statistics/differencing.ts'
import { accidentalDeaths, airPassengers, frameOf, gas, nile, usage } from './classic-series.ts'

const model = 'arima'

/** `[p, d, q]` and `[P, D, Q]` of a period. */
function ordersOf(order: number[], seasonal = [0, 0, 0], period = 1, constant = false): ArimaOrders {
  return { order: order as [number, number, number], seasonal: seasonal as [number, number, number], period, constant }
}

describe('forecasts of a model', () => {
  it('are those of R for AirPassengers', async () => {
    // R 4.2.2, forecast 8.20: forecast(auto.arima(AirPassengers), h = 12), an ARIMA(2,1,1)(0,1,0)[12]; 95 % of January from 423.0851 to 468.1847.
    const published = [
      445.6349, 420.395, 449.1983, 491.8399, 503.3945, 566.8624, 654.2602, 638.5975, 540.8837, 494.1266, 423.3327, 465.5076,
    ]
    const values = Float64Array.from(airPassengers)
    const found = forecastArima(values, ordersOf([2, 1, 1], [0, 1, 0], 12), 12)!
    for (const [step, value] of published.entries()) expect(Math.abs(found.mean[step]! - value)).toBeLessThan(0.01)
    const half = 1.959963984540054 * Math.sqrt(found.variance[0]!)
    expect(found.mean[0]! - half).toBeCloseTo(423.0851, 1)
    expect(found.mean[0]! + half).toBeCloseTo(468.1847, 1)
  })

  it.each([
    // R 4.2.2, forecast 8.20: Arima(y, order, seasonal, include.constant), forecast(h = 4)$mean and the variances of the first two.
    ['WWWusage', usage, ordersOf([1, 1, 1]), [218.880496735, 218.152398706, 217.678861239, 217.370883847], [9.9953252, 57.3217263]],
    ['Nile', nile, ordersOf([1, 1, 1]), [816.18127594, 835.559611473, 840.488905232, 841.742776439], [20176.915, 23094.066]],
    ['UKgas', gas, ordersOf([0, 1, 1], [0, 1, 0], 4), [1201.895643, 651.095643, 385.395643, 820.795643], [1236.704, 1242.82]],
    [
      'USAccDeaths',
      accidentalDeaths,
      ordersOf([0, 1, 1], [0, 1, 1], 12),
      [8336.061, 7531.829, 8314.644, 8616.869],
      [103026.6, 136433.2],
    ],
  ] as const)('are those of R for %s', async (_, values, orders, mean, variance) => {
    const found = forecastArima(Float64Array.from(values), orders, 4)!
    for (const [step, value] of mean.entries()) expect(found.mean[step]! / value).toBeCloseTo(1, 5)
    for (const [step, value] of variance.entries()) expect(found.variance[step]! / value).toBeCloseTo(1, 3)
  })

  it('without coefficients are those of differences that are noise: closed form', async () => {
    const values = Float64Array.of(1, 3, 2, 5, 4, 6)
    const steps = [2, -1, 3, -1, 2]
    const square = steps.reduce((sum, step) => sum + step ** 2, 0) / 5
    const walk = forecastArima(values, ordersOf([0, 1, 0]), 3)!
    expect([...walk.mean]).toEqual([6, 6, 6])
    for (const [i, each] of walk.variance.entries()) expect(each).toBeCloseTo((i + 1) * square, 12)
    const drift = forecastArima(values, ordersOf([0, 1, 0], [0, 0, 0], 1, true), 3)!
    expect([...drift.mean]).toEqual([7, 8, 9])
    expect(drift.variance[0]).toBeCloseTo(((square - 1) * 5) / 4, 12)
    // y[t] = y[t−1] + y[t−2] − y[t−3] for a season of two and a difference.
    const seasonal = forecastArima(values, ordersOf([0, 1, 0], [0, 1, 0], 2), 3)!
    expect([...seasonal.mean]).toEqual([5, 7, 6])
  })

  it('with a drift go on along it', async () => {
    const noise = new Float32Array(200)
    createRng(2).fillNormal(noise)
    const values = Float64Array.from({ length: 200 }, (_, i) => 0.7 * i + noise[i]!)
    const found = forecastArima(values, ordersOf([1, 1, 1], [0, 0, 0], 1, true), 50)!
    expect((found.mean[49]! - found.mean[9]!) / 40).toBeCloseTo(0.7, 1)
  })
})

describe('orders', () => {
  it.each([
    // Those of auto.arima of R 4.2.2, forecast 8.20.
    ['USAccDeaths', accidentalDeaths, 12, [0, 1, 1], [0, 1, 1]],
    ['Nile', nile, 1, [1, 1, 1], [0, 0, 0]],
    ['WWWusage', usage, 1, [1, 1, 1], [0, 0, 0]],
  ])('of %s are those that R finds', async (_, values, period, order, seasonal) => {
    expect(findOrders(Float64Array.from(values), period)).toMatchObject({ order, seasonal })
  })

  it('of a line and a constant have no coefficients', async () => {
    expect(
      await findOrders(
        Float64Array.from({ length: 40 }, (_, i) => i),
        1,
      ),
    ).toMatchObject({ order: [0, 1, 0], constant: true })
    expect(findOrders(new Float64Array(40).fill(3), 12)).toMatchObject({ order: [0, 0, 0], constant: true })
  })

  it('differences come from tests', () => {
    const noise = new Float32Array(300)
    createRng(4).fillNormal(noise)
    const values = Float64Array.from(noise)
    const summed = (list: Float64Array) => {
      let sum = 0
      return list.map((value) => {
        sum += value
        return sum
      })
    }
    expect(differencesNeeded(values)).toBe(0)
    expect(differencesNeeded(summed(values))).toBe(1)
    expect(differencesNeeded(summed(summed(values)))).toBe(2)
    // urca of R 4.2.2: ur.kpss(Nile, type = 'mu', use.lag = 2)
    expect(kpss(Float64Array.from(nile))).toBeCloseTo(1.315226, 4)
    expect(seasonalStrength(Float64Array.from(accidentalDeaths), 12)).toBeGreaterThan(0.8)
    expect(seasonalStrength(values, 12)).toBeLessThan(0.3)
  })
})

it('keeps orders, and estimates coefficients anew from each history', async () => {
  const forecaster = await fitForecaster(frameOf(usage, 'year'), { model, horizon: 3, calibrationWindows: 5 })
  const json = JSON.parse(JSON.stringify(forecaster)) as { state: Record<string, unknown> }
  expect(json.state).toEqual({ y: { order: [1, 1, 1], seasonal: [0, 0, 0], period: 1, constant: false } })
  const history = frameOf(nile, 'year')
  const forecast = await (await restoreForecaster(json)).forecast({ history, levels: [] })
  // R's ARIMA(1, 1, 1) of Nile.
  expect(forecast.series[0]!.mean[0]).toBeCloseTo(816.18, 1)
})

it.each([
  ['a constant', new Array(30).fill(7)],
  ['zeros', new Array(30).fill(0)],
  ['a line', Array.from({ length: 30 }, (_, i) => 3 * i - 20)],
  ['five values', [3, 1, 4, 1, 5]],
  ['two seasons', airPassengers.slice(0, 24)],
  ['three seasons', airPassengers.slice(0, 36)],
  ['negative values', nile.map((value) => -value)],
  ['a jump', [...new Array(20).fill(0), ...new Array(20).fill(1e6)]],
  ['rare events', Array.from({ length: 60 }, (_, i) => (i % 7 === 0 ? 3 : 0))],
])('%s: finite means inside finite intervals', async (_, values) => {
  const forecaster = await fitForecaster(frameOf(values), { model, horizon: 12, options: { intervals: 'model' } })
  const { mean, intervals } = (await forecaster.forecast({ levels: [95] })).series[0]!
  const { lower, upper } = intervals.get(95)!
  for (const [step, value] of mean.entries()) {
    expect(lower[step]).toBeLessThanOrEqual(value)
    expect(upper[step]).toBeGreaterThanOrEqual(value)
    expect(Number.isFinite(lower[step]! + upper[step]!)).toBe(true)
  }
})

it('takes a long season off before, and puts it back', async () => {
  const at = (i: number) => 50 + 10 * Math.sin((2 * Math.PI * i) / 24) + 0.02 * i
  const values = Array.from({ length: 240 }, (_, i) => at(i))
  const forecaster = await fitForecaster(frameOf(values), { model, horizon: 24, season: 24, calibrationWindows: 0 })
  const { mean } = (await forecaster.forecast({ levels: [] })).series[0]!
  for (const [step, value] of mean.entries()) expect(Math.abs(value - at(240 + step))).toBeLessThan(0.5)
})

it('refuses what cannot be', async () => {
  const fit = (options: object, values = nile, season = 1) => fitForecaster(frameOf(values), { model, horizon: 2, season, options })
  await expect(fit({ seasonal: [0, 1, 1] })).rejects.toThrow(/an order, with seasonal and constant/)
  await expect(fit({ order: [1, 1, 1], seasonal: [0, 1, 1] })).rejects.toThrow(/season of 1/)
  await expect(fit({ order: [1, 3, 1] })).rejects.toThrow(/order/)
  await expect(fit({ order: [1, 2, 1], constant: true })).rejects.toThrow(/differenced twice/)
  await expect(fit({ order: [1, 0, 1], constant: false })).rejects.toThrow(/always estimated/)
  await expect(fit({ order: [2, 1, 2] }, [3, 1, 4, 1, 5, 9])).rejects.toThrow(/6 values has no ARIMA\(2,1,2\)/)
  const forecaster = await fit({ order: [0, 1, 1], intervals: 'model' })
  await expect(forecaster.forecast({ horizon: 5000 })).rejects.toThrow(/at most 4000/)
})
