import { Matrix, solve } from 'ml-matrix'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { createRng } from '../../../../src/base/rng.ts'
import type { SeriesFrame } from '../../../../src/data/index.ts'
import { type Device, openDevice } from '../../../../src/platform/index.ts'
import { crossValidate, evaluate, type Forecaster, fitForecaster, restoreForecaster } from '../../../../src/systems/index.ts'
import { autoregression, frameOf, wavesOf } from '../../../null/systems/series/frames.ts'
import { noise } from '../../../null/tensor/finite-differences.ts'

let device: Device
beforeAll(async () => {
  device = await openDevice({ worker: false, threads: 1 })
})
afterAll(() => device[Symbol.asyncDispose]())

function fit(frame: SeriesFrame, options: object, horizon = 3, season = 7): Promise<Forecaster> {
  return fitForecaster(frame, {
    model: 'arnet',
    horizon,
    season,
    device,
    calibrationWindows: 0,
    options: { minSteps: 0, ...options },
  })
}

/** Forecasts by the weights of lags alone. */
function continued({ lags, constant }: ReturnType<Forecaster['coefficients']>, values: Float64Array): number[] {
  return lags.map((row, step) => row.reduce((sum, weight, lag) => sum + weight * values.at(-1 - lag)!, constant[step]!))
}

it('learns the weights of least squares', async () => {
  const true_ = [0.2, 0.3, -0.5]
  const values = autoregression(true_, 2000, 0.1)
  const rows = Array.from({ length: values.length - 3 }, (_, t) => [...values.slice(t, t + 3).reverse(), 1])
  const x = new Matrix(rows)
  const targets = new Matrix(rows.map((_, t) => [values[t + 3]!]))
  const exact = solve(x.transpose().mmul(x), x.transpose().mmul(targets)).getColumn(0)
  const options = { inputSize: 3, epochs: 6, learningRate: 0.02, scaler: 'none', normalization: 'none', validationSize: 0 }
  const { lags, constant } = (await fit(frameOf([{ values }]), options, 1)).coefficients()
  for (const [lag, weight] of lags[0]!.entries()) {
    expect(Math.abs(weight - exact[lag]!)).toBeLessThan(0.02)
    expect(Math.abs(weight - true_[lag]!)).toBeLessThan(0.08)
  }
  expect(Math.abs(constant[0]! - exact[3]!)).toBeLessThan(0.005)
})

it('draws the weights of lags that do not count to 0 where few are expected to', async () => {
  const values = autoregression([0, 0, 0.8], 1200, 1, 'sparse')
  const weightOf = async (sparsity: number) => {
    const options = { inputSize: 12, epochs: 10, learningRate: 0.01, normalization: 'none', validationSize: 0, sparsity }
    return (await fit(frameOf([{ values }]), options, 1)).coefficients().lags[0]!
  }
  const [dense, sparse] = [await weightOf(1), await weightOf(0.1)]
  const others = (weights: Float64Array) => weights.reduce((sum, weight, lag) => (lag === 2 ? sum : sum + Math.abs(weight)), 0)
  expect(others(sparse)).toBeLessThan(0.6 * others(dense))
  expect(Math.abs(sparse[2]! - 0.8)).toBeLessThan(0.2)
})

describe.each(['none', 'last', 'mean'])('normalization %s', (normalization) => {
  it.each(['none', 'standard', 'robust'])('has coefficients that give its forecasts: scaler %s', async (scaler) => {
    const frame = wavesOf(2, 60)
    const forecaster = await fit(frame, { inputSize: 5, maxSteps: 20, learningRate: 0.01, normalization, scaler })
    const { series } = await forecaster.forecast()
    const restored = await restoreForecaster(JSON.parse(JSON.stringify(forecaster)), { device })
    for (const [i, { id, values }] of frame.series.entries())
      for (const said of [forecaster.coefficients(id), restored.coefficients(id)])
        for (const [step, value] of continued(said, values).entries())
          expect(Math.abs(value / series[i]!.mean[step]! - 1)).toBeLessThan(1e-5)
    expect(restored.coefficients()).toEqual(restored.coefficients('a'))
    for (const id of ['z', 'constructor']) expect(() => forecaster.coefficients(id)).toThrow(/not learnt from/)
  })
})

it('has no coefficients where it is not linear in the values', async () => {
  const counts = frameOf([{ values: Array.from({ length: 40 }, (_, i) => i % 5) }])
  for (const options of [{ hidden: [3] }, { distribution: 'negative-binomial' }, { normalization: 'standard' }]) {
    const forecaster = await fit(counts, { inputSize: 5, maxSteps: 1, ...options })
    expect(() => forecaster.coefficients()).toThrow(/no coefficients/)
  }
})

it('gives the median of quantiles by its coefficients', async () => {
  const frame = wavesOf(1, 60)
  const forecaster = await fit(frame, { inputSize: 5, maxSteps: 3, distribution: 'quantile', normalization: 'none' })
  const { mean, intervals } = (await forecaster.forecast({ levels: [50, 90] })).series[0]!
  for (const [step, value] of continued(forecaster.coefficients(), frame.series[0]!.values).entries()) {
    expect(value / mean[step]!).toBeCloseTo(1, 5)
    const edges = [90, 50].map((level) => intervals.get(level)!.lower[step]!)
    const all = [...edges, mean[step]!, ...[50, 90].map((level) => intervals.get(level)!.upper[step]!)]
    expect(all).toEqual(all.toSorted((a, b) => a - b))
  }
})

it('goes on from what it said, step by step', async () => {
  const frame = wavesOf(1, 60)
  const forecaster = await fit(frame, { inputSize: 5, steps: 2, maxSteps: 20, normalization: 'mean' }, 2)
  const { lags, constant } = forecaster.coefficients()
  const values = [...frame.series[0]!.values]
  while (values.length < 65) values.push(...continued({ lags, constant }, Float64Array.from(values)))
  const { mean } = (await forecaster.forecast({ horizon: 5 })).series[0]!
  for (const [step, value] of mean.entries()) expect(value / values[60 + step]!).toBeCloseTo(1, 5)
})

it.each([
  ['gaussian', (normals: Float64Array) => normals],
  ['student-t', (normals: Float64Array) => normals],
  ['quantile', (normals: Float64Array) => normals.map((value) => (value < 0 ? value / 4 : value))],
])('%s intervals hold what they say of independent noise', async (distribution, shaped) => {
  const frame = frameOf([{ values: shaped(noise(distribution, [700]).data).map((value) => 10 + 2 * value) }])
  const options = { inputSize: 4, distribution, epochs: 8, learningRate: 0.02, validationSize: 0, minSteps: 400 }
  const judged = await crossValidate(frame, { model: 'arnet', horizon: 1, device, windows: 200, refit: false, options })
  const [all] = evaluate(judged)
  expect(Math.abs(all!.coverage[80]! - 0.8)).toBeLessThan(0.1)
  expect(Math.abs(all!.coverage[95]! - 0.95)).toBeLessThan(0.06)
})

it('counts are said as counts', async () => {
  // Poisson counts of mean 3, by products of uniform numbers (Knuth, volume 2, 3.4.1).
  const rng = createRng(3)
  let at = 0
  const poisson = () => {
    let [count, product] = [-1, 1]
    for (; product > Math.exp(-3); count++) product *= rng.uniformAt(at++)
    return count
  }
  const frame = frameOf([{ values: Array.from({ length: 500 }, poisson) }])
  const options = {
    inputSize: 3,
    distribution: 'negative-binomial',
    normalization: 'none',
    epochs: 10,
    minSteps: 800,
    learningRate: 0.03,
  }
  const forecaster = await fit(frame, { ...options, validationSize: 0 }, 1)
  const { mean, intervals } = (await forecaster.forecast({ levels: [80] })).series[0]!
  expect(Math.abs(mean[0]! - 3)).toBeLessThan(0.5)
  // Quantiles 0.1 and 0.9 of that Poisson distribution are 1 and 5.
  expect(Math.abs(intervals.get(80)!.lower[0]! - 1)).toBeLessThanOrEqual(1)
  expect(Math.abs(intervals.get(80)!.upper[0]! - 5)).toBeLessThanOrEqual(1)
  await expect(fit(wavesOf(1, 60), options, 1)).rejects.toThrow(/is no count/)
})

it('intervals of few counts are those of their distribution, whatever errors the past had', async () => {
  const rng = createRng(3)
  const values = Array.from({ length: 300 }, (_, i) =>
    i % 7 < 5 ? Number(rng.uniformAt(i) < 0.2) : Math.floor(6 * rng.uniformAt(i)),
  )
  const options = { inputSize: 7, distribution: 'negative-binomial', normalization: 'none', minSteps: 0, epochs: 3 }
  const settings = { model: 'arnet', horizon: 7, device, options }
  const of = async (more: object) => (await fitForecaster(frameOf([{ values }]), { ...settings, ...more })).forecast()
  const forecast = await of({})
  expect(forecast).toEqual(await of({ calibrationWindows: 0 }))
  for (const { lower, upper } of forecast.series[0]!.intervals.values())
    for (const value of [...lower, ...upper]) expect(Number.isInteger(value) && value >= 0).toBe(true)
  await expect(of({ calibrationWindows: 20 })).rejects.toThrow(/quantiles of counts/)
})

it('intervals of series that were not there are the method’s own', async () => {
  const frame = wavesOf(2, 150)
  const settings = {
    model: 'arnet',
    horizon: 3,
    device,
    options: { inputSize: 7, distribution: 'gaussian', minSteps: 0, maxSteps: 20 },
  }
  const [calibrated, own] = [
    await fitForecaster(frame, { ...settings, calibrationWindows: 20 }),
    await fitForecaster(frame, { ...settings, calibrationWindows: 0 }),
  ]
  const history = { ...frame, series: frame.series.map((series, i) => ({ ...series, id: ['a', 'new'][i]! })) }
  const [first, second] = (await calibrated.forecast({ history })).series
  const [firstOwn, secondOwn] = (await own.forecast({ history })).series
  expect(second).toEqual(secondOwn)
  expect(first!.intervals).not.toEqual(firstOwn!.intervals)
})
