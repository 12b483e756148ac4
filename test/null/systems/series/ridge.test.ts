import { Matrix, solve } from 'ml-matrix'
import { describe, expect, it } from 'vitest'
import type { SeriesFrame } from '../../../../src/data/index.ts'
import { fitForecaster, restoreForecaster } from '../../../../src/systems/index.ts'
import { noise } from '../../tensor/finite-differences.ts'

function frameOf(...all: readonly ArrayLike<number>[]): SeriesFrame {
  return {
    frequency: { unit: 'day', every: 1 },
    zone: 'UTC',
    series: all.map((values, i) => ({
      id: `s${i}`,
      start: 0,
      values: Float64Array.from(values),
      past: {},
      future: {},
      static: {},
    })),
  }
}

const wave = Array.from(noise('ridge', [90]).data, (value, i) => 50 + 0.3 * i + 5 * Math.sin(i / 3) + value)
const [lags, horizon] = [5, 3]

const fit = (frame: SeriesFrame, penalty = 1e-3) =>
  fitForecaster(frame, { model: 'ridge', horizon, options: { lags, penalty }, calibrationWindows: 0 })

const meanOf = async (frame: SeriesFrame, penalty?: number) => [...(await (await fit(frame, penalty)).forecast()).series[0]!.mean]

/** By rows of windows, each less its last value, without any trick. */
function leastSquares(all: readonly (readonly number[])[], penalty: number): number[] {
  const rows: number[][] = []
  const targets: number[][] = []
  for (const values of all)
    for (let start = 0; start + lags + horizon <= values.length; start++) {
      const last = values[start + lags - 1]!
      rows.push([...values.slice(start, start + lags).map((value) => value - last), 1])
      targets.push(values.slice(start + lags, start + lags + horizon).map((value) => value - last))
    }
  const x = new Matrix(rows)
  const gram = x.transpose().mmul(x)
  const square = rows.reduce((sum, row) => sum + row.slice(0, -1).reduce((own, value) => own + value * value, 0), 0) / lags
  for (let i = 0; i < lags; i++) gram.set(i, i, gram.get(i, i) + penalty * square)
  // The last column is 0 throughout: its weight matters to nobody.
  gram.set(lags - 1, lags - 1, 1)
  const weights = solve(gram, x.transpose().mmul(new Matrix(targets)))
  const [first] = all
  const last = first!.at(-1)!
  const row = new Matrix([[...first!.slice(-lags).map((value) => value - last), 1]])
  return row
    .mmul(weights)
    .getRow(0)
    .map((value) => value + last)
}

describe('ridge', () => {
  it('is least squares with a penalty, over all windows of all series', async () => {
    const other = wave.map((value, i) => 20 - value + (i % 4))
    for (const penalty of [0, 1e-3, 0.5]) {
      const expected = leastSquares([wave, other], penalty)
      for (const [step, value] of (await meanOf(frameOf(wave, other), penalty)).entries())
        expect(value).toBeCloseTo(expected[step]!, 6)
    }
  })

  it('says the same in any unit', async () => {
    const expected = await meanOf(frameOf(wave))
    for (const [unit, shift] of [
      [1e-12, 0],
      [1e-3, 7],
      [1e12, 0],
    ] as const) {
      const scaled = await meanOf(frameOf(wave.map((value) => unit * value + shift)))
      for (const [step, value] of scaled.entries()) expect((value - shift) / unit).toBeCloseTo(expected[step]!, 3)
    }
  })

  it.each([0, 0.1, 3e12, -7e-12])('goes on with a constant %d', async (constant) => {
    const mean = await meanOf(frameOf(new Float64Array(60).fill(constant)))
    for (const value of mean) expect(Math.abs(value - constant)).toBeLessThanOrEqual(1e-9 * Math.abs(constant))
  })

  it('has coefficients that give its forecasts, restored ones too', async () => {
    const frame = frameOf(wave)
    const forecaster = await fit(frame)
    const { mean } = (await forecaster.forecast()).series[0]!
    const restored = await restoreForecaster(JSON.parse(JSON.stringify(forecaster)))
    for (const { lags: rows, constant } of [forecaster.coefficients(), restored.coefficients()])
      for (const [step, row] of rows.entries()) {
        const said = row.reduce((sum, weight, lag) => sum + weight * wave.at(-1 - lag)!, constant[step]!)
        expect(said).toBeCloseTo(mean[step]!, 8)
      }
  })
})
