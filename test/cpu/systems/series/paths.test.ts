import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type Device, openDevice } from '../../../../src/platform/index.ts'
import { type Forecaster, fitForecaster, restoreForecaster } from '../../../../src/systems/index.ts'
import { frameOf, waveOf, wavesOf } from '../../../null/systems/series/frames.ts'

let device: Device
beforeAll(async () => {
  device = await openDevice({ worker: false, threads: 1 })
})
afterAll(() => device[Symbol.asyncDispose]())

const base64 = (values: readonly number[]) => Buffer.from(Float32Array.from(values).buffer).toString('base64')

/** yₜ₊₁ = share·yₜ + σ·noise, σ = 1.001, as an AR-Net that says one step at a time. */
async function firstOrder(share: number): Promise<Forecaster> {
  const options = {
    inputSize: 1,
    steps: 1,
    distribution: 'gaussian',
    scaler: 'none',
    normalization: 'none',
    minSteps: 0,
    maxSteps: 1,
  }
  const forecaster = await fitForecaster(wavesOf(1, 40), { model: 'arnet', horizon: 6, device, options })
  const json = JSON.parse(JSON.stringify(forecaster))
  // The scale is softplus of what is said and a number whose softplus is 1, and a thousandth.
  json.state.weights = {
    'lags.weight': { shape: [2, 1], data: base64([share, 0]) },
    'lags.bias': { shape: [2], data: base64([0, 0]) },
  }
  return restoreForecaster(json, { device })
}

const history = frameOf([{ values: [...waveOf('y', 20), 3] }])

describe('paths', () => {
  it('spread as those of an autoregression do, and hang together', async () => {
    const forecaster = await firstOrder(0.8)
    const { paths, mean } = (await forecaster.forecast({ history, paths: 3000, levels: [] })).series[0]!
    for (const step of [0, 2, 5]) {
      expect(mean[step]).toBeCloseTo(3 * 0.8 ** (step + 1), 4)
      const values = paths!.map((path) => path[step]!)
      const average = values.reduce((sum, value) => sum + value, 0) / 3000
      const variance = values.reduce((sum, value) => sum + (value - average) ** 2, 0) / 3000
      const expected = Array.from({ length: step + 1 }, (_, i) => (1.001 * 0.8 ** i) ** 2).reduce((sum, each) => sum + each)
      // Deviations of an average and of a variance of 3,000 draws: 0.03 and 0.026 of the variance.
      expect(Math.abs(average - mean[step]!)).toBeLessThan(4 * Math.sqrt(expected / 3000))
      expect(Math.abs(variance / expected - 1)).toBeLessThan(0.12)
    }
    // What is new in each step is independent of what came before.
    const shocks = paths!.map((path) => [path[0]! - 2.4, path[1]! - 0.8 * path[0]!] as const)
    const product = shocks.reduce((sum, [a, b]) => sum + a * b, 0) / 3000
    expect(Math.abs(product)).toBeLessThan(0.08)
  })

  it('give the intervals of steps that are said from steps before them', async () => {
    const forecaster = await firstOrder(0.8)
    const { mean, intervals } = (await forecaster.forecast({ history, levels: [80] })).series[0]!
    const { lower, upper } = intervals.get(80)!
    for (const step of [0, 5]) {
      const deviation = Math.sqrt(
        Array.from({ length: step + 1 }, (_, i) => (1.001 * 0.8 ** i) ** 2).reduce((sum, each) => sum + each),
      )
      // 200 paths: the deviation of a quantile at 0.1 is about 0.12 of theirs.
      expect(Math.abs(lower[step]! - (mean[step]! - 1.2816 * deviation))).toBeLessThan(0.5 * deviation)
      expect(Math.abs(upper[step]! - (mean[step]! + 1.2816 * deviation))).toBeLessThan(0.5 * deviation)
    }
  })

  it('are those of their seed, series by series', async () => {
    const forecaster = await firstOrder(0.5)
    const two = frameOf([{ values: waveOf('y', 20) }, { values: waveOf('z', 20) }])
    const of = async (seed: number) => (await forecaster.forecast({ history: two, paths: 70, seed, levels: [] })).series
    const first = await of(1)
    expect(await of(1)).toEqual(first)
    expect((await of(2))[0]!.paths).not.toEqual(first[0]!.paths)
    const alone = await forecaster.forecast({ history: { ...two, series: [two.series[1]!] }, paths: 70, seed: 1, levels: [] })
    for (const [i, path] of alone.series[0]!.paths!.entries())
      for (const [step, value] of path.entries()) expect(value).toBeCloseTo(first[1]!.paths![i]![step]!, 3)
    const fewer = await forecaster.forecast({ history: two, paths: 3, seed: 1, levels: [] })
    for (const [i, path] of fewer.series[0]!.paths!.entries())
      for (const [step, value] of path.entries()) expect(value).toBeCloseTo(first[0]!.paths![i]![step]!, 3)
  })
})
