import { readdirSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import { createRng } from '../../src/base/rng.ts'
import { crossValidate, evaluate, fitForecaster, forecasterIds } from '../../src/systems/index.ts'
import { type ContractCase, forecasterContract, seasonalFrame } from './forecaster-contract.ts'

/** Small networks and few steps; every network once as it is, and some in other ways. */
const small = { width: 8, heads: 2, layers: 1, inputSize: 24, epochs: 2, minSteps: 0 }

const smallOptions: Readonly<Record<string, readonly object[]>> = {
  arima: [{ order: [1, 1, 0] }, { order: [0, 1, 1], seasonal: [0, 1, 1], intervals: 'model' }],
  arnet: [
    { epochs: 2, minSteps: 0 },
    { epochs: 2, minSteps: 0, hidden: [4], sparsity: 0.5, distribution: 'gaussian', steps: 4 },
  ],
  ets: [{}, { intervals: 'model' }],
  gateformer: [{ ...small, hidden: 8, patch: 8, stride: 4 }],
  autoformer: [{ ...small, average: 5, distribution: 'quantile' }],
  informer: [{ ...small, variates: 'apart' }],
  gpht: [{ width: 8, heads: 2, layers: 1, stages: [2, 1], token: 4, inputSize: 24, epochs: 2, minSteps: 0 }],
  spacetime: [{ width: 4, state: 6, inputSize: 24, epochs: 2, minSteps: 0 }],
  smamba: [small],
  itransformer: [small, { ...small, variates: 'apart', distribution: 'quantile' }],
}

const cases: readonly ContractCase[] = [
  ...forecasterIds.filter((id) => !(id in smallOptions)).map((id) => ({ id })),
  ...Object.entries(smallOptions).flatMap(([id, each]) => each.map((options) => ({ id, options }))),
]

describe.each(cases)('$id $options', (each) => {
  forecasterContract(each)
})

it('every file of the folder is listed', () => {
  const files = readdirSync(new URL('../../src/systems/series/', import.meta.url))
  const shared = ['baseline.ts']
  expect([...forecasterIds].sort()).toEqual(
    files
      .filter((file) => !shared.includes(file))
      .map((file) => file.slice(0, -3))
      .sort(),
  )
})

describe('what methods say', () => {
  const frame = (values: number[]) => ({
    frequency: { unit: 'month', every: 1 } as const,
    zone: 'UTC',
    series: [{ id: 'a', start: 0, values: Float64Array.from(values), past: {}, future: {}, static: {} }],
  })
  const means = async (model: string, values: number[], options: object = {}) => {
    const forecaster = await fitForecaster(frame(values), { model, horizon: 3, season: 2, calibrationWindows: 0, ...options })
    return [...(await forecaster.forecast()).series[0]!.mean]
  }

  it('is what their names say', async () => {
    expect(await means('last-value', [1, 2, 3, 4, 7])).toEqual([7, 7, 7])
    expect(await means('seasonal-naive', [1, 2, 3, 4, 7])).toEqual([4, 7, 4])
    expect(await means('drift', [1, 2, 3, 4, 7])).toEqual([8.5, 10, 11.5])
  })

  it('a ridge without penalty continues what follows a linear recurrence', async () => {
    // y_t = y_{t−1} − y_{t−2}, less the last value: a linear map of two lags.
    const values = [1, 3]
    while (values.length < 40) values.push(values.at(-1)! - values.at(-2)!)
    const wanted = [...values]
    while (wanted.length < 43) wanted.push(wanted.at(-1)! - wanted.at(-2)!)
    const got = await means(
      'ridge',
      values.map((value) => value + 10),
      { options: { lags: 4, penalty: 1e-9 } },
    )
    for (const [i, value] of got.entries()) expect(value).toBeCloseTo(wanted[40 + i]! + 10, 3)
  })
})

describe('backtests', () => {
  it('know only what came before each window', async () => {
    const { windows } = await crossValidate(seasonalFrame(1), { model: 'last-value', horizon: 4, windows: 3, step: 2, levels: [] })
    const { values } = seasonalFrame(1).series[0]!
    expect(windows.map(({ mean }) => mean[0])).toEqual(
      [values.length - 9, values.length - 7, values.length - 5].map((last) => values[last]),
    )
    expect(windows.map(({ actual }) => [...actual])).toEqual(
      [8, 6, 4].map((left) => [...values.slice(values.length - left, values.length - left + 4)]),
    )
  })

  it('add up the same by series, step and window', async () => {
    const backtest = await crossValidate(seasonalFrame(2), { model: 'seasonal-naive', horizon: 3, windows: 4 })
    const [all] = evaluate(backtest)
    for (const by of ['series', 'step', 'window'] as const) {
      const rows = evaluate(backtest, { by })
      const values = rows.reduce((sum, row) => sum + row.values, 0)
      expect(values).toBe(all!.values)
      expect(rows.reduce((sum, row) => sum + row.mse * row.values, 0) / values).toBeCloseTo(all!.mse, 9)
    }
  })

  it('CRPS is that of the quantiles, in closed form for a spread that is known', async () => {
    // Of normal errors, 2·pinball at the quantiles of N(0, 1) tends to the CRPS: 0.5642 at its mean over y, of N(0, 1) itself.
    const noise = new Float32Array(8000)
    createRng(11).fillNormal(noise)
    const frame = seasonalFrame(1)
    const series = [{ ...frame.series[0]!, values: Float64Array.from(noise) }]
    const backtest = await crossValidate(
      { ...frame, series },
      {
        model: 'ets',
        options: { intervals: 'model', trend: 'none', season: 'none' },
        horizon: 5,
        windows: 400,
        season: 1,
        refit: false,
      },
    )
    const [all] = evaluate(backtest)
    expect(all!.crps).toBeGreaterThan(0.5)
    expect(all!.crps).toBeLessThan(0.62)
    expect(all!.wql! / all!.crps!).toBeCloseTo(
      2000 / backtest.windows.reduce((sum, { actual }) => sum + actual.reduce((a, b) => a + Math.abs(b), 0), 0),
      9,
    )
    const [low, high] = all!.coverageInterval[80]!
    expect(low).toBeLessThan(0.8)
    expect(high).toBeGreaterThan(0.8)
    expect(evaluate(await crossValidate(frame, { model: 'drift', horizon: 3, levels: [] }))[0]).toMatchObject({ crps: undefined })
  })

  it('intervals hold about what they say of independent noise', async () => {
    const rows = evaluate(
      await crossValidate(seasonalFrame(20, 200), {
        model: 'ridge',
        horizon: 3,
        windows: 10,
        step: 3,
        refit: false,
        levels: [80, 95],
      }),
    )
    expect(rows[0]!.coverage[80]).toBeGreaterThan(0.7)
    expect(rows[0]!.coverage[80]).toBeLessThan(0.9)
    expect(rows[0]!.coverage[95]).toBeGreaterThan(0.9)
  })

  it('refuse more windows than there is data for', async () => {
    await expect(crossValidate(seasonalFrame(1), { model: 'drift', horizon: 12, windows: 10 })).rejects.toThrow(/fewer windows/)
  })
})
