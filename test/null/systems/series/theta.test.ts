import fc from 'fast-check'
import { expect, it } from 'vitest'
import { fitForecaster } from '../../../../src/systems/index.ts'
import { simpleSmoothing } from '../../../../src/systems/statistics/simple-smoothing.ts'
import { accidentalDeaths, airPassengers, frameOf, nile } from './classic-series.ts'

async function means(values: ArrayLike<number>, horizon: number, season = 12): Promise<number[]> {
  const forecaster = await fitForecaster(frameOf(values), { model: 'theta', horizon, season, calibrationWindows: 0 })
  return [...(await forecaster.forecast()).series[0]!.mean]
}

it.each([
  // R 4.2.2, forecast 8.20, thetaf(y, h)$mean. Its smoothing stops near the least error, ours at it: hence the tolerances, as shares.
  ['AirPassengers', airPassengers, 12, 1e-4, [440.078191082, 428.384280557, 489.70709867, 475.704627661, 479.670388669]],
  ['USAccDeaths', accidentalDeaths, 12, 1e-4, [8270.69380634, 7508.92386706, 8322.12480677]],
  ['Nile', nile, 1, 1e-3, [799.811996216, 798.454843501, 797.097690785]],
])('agrees with thetaf of R on %s', async (_, values, season, share, expected) => {
  const got = await means(values, expected.length, season)
  for (const [step, value] of expected.entries()) expect(Math.abs(got[step]! / value - 1)).toBeLessThan(share)
})

it('agrees with thetaf of R to seven decimals where the weight lies on its bound', async () => {
  const expected = [170.755338497375, 171.51060165527, 172.265864813165, 173.021127971059]
  const got = await means(airPassengers.slice(0, 20), 4)
  for (const [step, value] of expected.entries()) expect(got[step]).toBeCloseTo(value, 7)
})

it('smooths with the least squared error that a fine grid of weights and first levels finds', () => {
  const squaresOf = (values: Float64Array, weight: number, first: number) => {
    let [level, squares] = [first, 0]
    for (const value of values) {
      squares += (value - level) ** 2
      level += weight * (value - level)
    }
    return squares
  }
  fc.assert(
    fc.property(fc.array(fc.integer({ min: -9, max: 9 }), { minLength: 4, maxLength: 12 }), (list) => {
      const values = Float64Array.from(list)
      const { squares } = simpleSmoothing(values)
      for (let weight = 0.0001; weight < 1; weight += 0.037)
        for (let first = -10; first <= 10; first += 0.5)
          expect(squares).toBeLessThanOrEqual(squaresOf(values, weight, first) + 1e-9)
    }),
    { numRuns: 15 },
  )
})

it('continues constants, and series of any sign and length, with finite numbers', async () => {
  expect(await means(new Array(40).fill(5), 3)).toEqual([5, 5, 5])
  expect(await means(new Array(40).fill(0), 3)).toEqual([0, 0, 0])
  for (const length of [3, 12, 23, 24, 25, 60]) {
    const swinging = Float64Array.from({ length }, (_, i) => -50 + 20 * Math.sin((Math.PI * i) / 6) + i)
    expect((await means(swinging, 30)).every(Number.isFinite)).toBe(true)
  }
  await expect(means([1, 2], 3)).rejects.toThrow(/2 values; expected at least 3/)
})

it('a season of negative values is added, not multiplied', async () => {
  const at = (i: number) => -100 + 20 * Math.sin((Math.PI * i) / 6)
  const got = await means(
    Float64Array.from({ length: 72 }, (_, i) => at(i)),
    12,
  )
  for (const [step, value] of got.entries()) expect(value).toBeCloseTo(at(72 + step), 1)
})
