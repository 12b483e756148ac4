import { describe, expect, it } from 'vitest'
import { DataError, FormatError, NonFiniteError, OptionError } from '../../../src/base/errors.ts'
import type { SeriesFrame } from '../../../src/data/index.ts'
import { intervalsFrom, residuals } from '../../../src/systems/conformal.ts'
import type { FittedForecaster } from '../../../src/systems/forecaster-system.ts'
import { fitForecaster, restoreForecaster } from '../../../src/systems/index.ts'

function frameOf(...all: readonly (readonly number[])[]): SeriesFrame {
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

/** Says the same numbers whatever it sees. */
function saying(...mean: number[]): FittedForecaster {
  return {
    minimumLength: 1,
    state: () => ({}),
    predict: async ({ histories }) => histories.map(({ series }) => series.map(() => ({ mean: Float64Array.from(mean) }))),
  }
}

const request = { horizon: 2, season: 1, seed: 0 }

describe('errors on past windows', () => {
  it('are those of each step, ascending', async () => {
    const errors = await residuals(frameOf([9, 9, 1, 4, 2, 8]), saying(0, 10), request, { windows: 3, quantiles: [] })
    // Windows begin at 1, 4 and 2: first steps 1, 4, 2, second ones 4, 2, 8.
    expect(errors).toEqual({
      s0: [
        [1, 2, 4],
        [2, 6, 8],
      ],
    })
  })

  it('are refused where a method says what is no number', async () => {
    await expect(
      residuals(frameOf([9, 9, 1, 4, 2, 8]), saying(0, Number.NaN), request, { windows: 3, quantiles: [] }),
    ).rejects.toThrow(NonFiniteError)
  })
})

describe('intervals', () => {
  const mean = Float64Array.of(100, 200, 300)
  const widthsOf = (errors: number[], level: number) => {
    const { lower, upper } = intervalsFrom({ a: [errors] }, { id: 'a', prediction: { mean }, level })
    expect([...lower].map((value, i) => 2 * mean[i]! - value)).toEqual([...upper])
    return upper[0]! - 100
  }

  it('are as wide as the error of the rank that their level asks for', () => {
    // Split conformal: of n errors the ⌈(n + 1)·level⌉-th.
    const nine = [1, 2, 3, 4, 5, 6, 7, 8, 9]
    expect([10, 11, 50, 80, 90].map((level) => widthsOf(nine, level))).toEqual([1, 2, 5, 8, 9])
  })

  it('hold about what they promise of any exchangeable errors', () => {
    // Every error of n + 1 is left out in turn: the share of those within is at least the level.
    const errors = Array.from({ length: 40 }, (_, i) => (i * 17) % 41)
    const within = errors.filter(
      (error, i) =>
        error <=
        widthsOf(
          errors.toSpliced(i, 1).sort((a, b) => a - b),
          80,
        ),
    )
    expect(within.length / errors.length).toBeGreaterThanOrEqual(0.8)
    expect(within.length / errors.length).toBeLessThan(0.85)
  })

  it('are as of normal errors where there are too few, and never narrower than those of lower levels', () => {
    expect(widthsOf([3, 4], 95)).toBeCloseTo(1.95996 * Math.sqrt(12.5), 3)
    expect(widthsOf([0, 0, 0, 10], 80)).toBe(10)
    expect(widthsOf([0, 0, 0, 10], 95)).toBeGreaterThanOrEqual(10)
  })

  it('of steps beyond those calibrated are those of the last one, and unknown series are refused', () => {
    const calibration = { a: [[1], [2]] }
    expect([...intervalsFrom(calibration, { id: 'a', prediction: { mean }, level: 50 }).upper]).toEqual([101, 202, 302])
    for (const id of ['b', 'constructor'])
      expect(() => intervalsFrom(calibration, { id, prediction: { mean }, level: 50 })).toThrow(OptionError)
  })
})

describe('frames', () => {
  const values = Array.from({ length: 40 }, (_, i) => i + (i % 3))
  const fit = (frame: SeriesFrame, more: object = {}) => fitForecaster(frame, { model: 'ridge', horizon: 2, ...more })

  it('with infinities, two series of one name, or names that no table can hold, are refused', async () => {
    await expect(fit(frameOf(values.with(7, Number.NEGATIVE_INFINITY)))).rejects.toThrow(/value 8 of series 's0' is infinite/)
    const twice = frameOf(values, values)
    await expect(fit({ ...twice, series: [twice.series[0]!, twice.series[0]!] })).rejects.toThrow(/two series are named 's0'/)
    for (const id of ['__proto__', 'constructor', 'prototype'])
      await expect(fit({ ...twice, series: [{ ...twice.series[0]!, id }] })).rejects.toThrow(DataError)
  })

  it('are checked again where they are histories', async () => {
    const forecaster = await fit(frameOf(values))
    const history = frameOf(values)
    const changed = (change: object) =>
      forecaster.forecast({ history: { ...history, series: [{ ...history.series[0]!, ...change }] } })
    await expect(changed({ values: Float64Array.from(values.with(3, Number.NaN)) })).rejects.toThrow(/gaps/)
    await expect(changed({ past: { visits: Float64Array.from(values) } })).rejects.toThrow(/past covariates: visits/)
    await expect(forecaster.forecast({ history: { ...history, series: [] } })).rejects.toThrow(/no series/)
  })

  it('too short for the windows that are to calibrate are refused', async () => {
    await expect(fit(frameOf(values), { calibrationWindows: 36 })).rejects.toThrow(/fewer calibrationWindows/)
  })
})

describe('restored calibrations', () => {
  it.each([
    ['no steps', { s0: [] }],
    ['no errors', { s0: [[]] }],
    ['negative errors', { s0: [[-1, 2]] }],
    ['errors in disorder', { s0: [[2, 1]] }],
    ['what is no number', { s0: [[Number.NaN]] }],
  ])('with %s are refused', async (_, calibration) => {
    const forecaster = await fitForecaster(frameOf([1, 2, 3, 5, 8, 9]), { model: 'last-value', horizon: 1 })
    const json = JSON.parse(JSON.stringify(forecaster))
    await expect(restoreForecaster({ ...json, calibration })).rejects.toThrow(FormatError)
    await expect(restoreForecaster({ ...json, horizon: 2 ** 40 })).rejects.toThrow(FormatError)
  })

  it('of a method with quantiles are as wide as it says, times what past errors ask for', () => {
    const prediction = {
      mean: Float64Array.of(100, 200),
      quantiles: new Map([
        [1 - 0.9, Float64Array.of(90, 195)],
        [0.9, Float64Array.of(105, 220)],
      ]),
    }
    const { lower, upper } = intervalsFrom({ a: [[0.5, 1, 2]] }, { id: 'a', prediction, level: 75 })
    expect([...lower]).toEqual([80, 190])
    expect([...upper]).toEqual([110, 240])
  })
})
