import type { Frequency, Series, SeriesFrame } from '../../../../src/data/index.ts'
import { noise } from '../../tensor/finite-differences.ts'

export interface SeriesParts {
  readonly values: ArrayLike<number>
  readonly past?: Readonly<Record<string, ArrayLike<number>>>
  readonly future?: Readonly<Record<string, ArrayLike<number>>>
  readonly static?: Readonly<Record<string, string | number>>
}

const doubles = (columns: Readonly<Record<string, ArrayLike<number>>> = {}) =>
  Object.fromEntries(Object.entries(columns).map(([name, values]) => [name, Float64Array.from(values)]))

/** Series 'a', 'b', … from 2024-01-01 on. */
export function frameOf(all: readonly SeriesParts[], frequency: Frequency = { unit: 'day', every: 1 }): SeriesFrame {
  return {
    frequency,
    zone: 'UTC',
    series: all.map(
      ({ values, past, future, static: constants = {} }, i): Series => ({
        id: String.fromCharCode(97 + i),
        start: Date.UTC(2024, 0, 1),
        values: Float64Array.from(values),
        past: doubles(past),
        future: doubles(future),
        static: constants,
      }),
    ),
  }
}

/** A wave on a slope with noise, another for each label. */
export function waveOf(label: string, length: number): Float64Array {
  const { data } = noise(label, [length + 1])
  return data
    .slice(1)
    .map((value, i) => 20 + 5 * data[0]! + 0.05 * i + 3 * Math.sin((2 * Math.PI * i) / 7 + data[0]!) + 0.5 * value)
}

export function wavesOf(count: number, length: number): SeriesFrame {
  return frameOf(Array.from({ length: count }, (_, i) => ({ values: waveOf(`wave ${i}`, length) })))
}

/** yₜ = c₁·yₜ₋₁ + c₂·yₜ₋₂ + … + σ·noise. */
export function autoregression(coefficients: readonly number[], length: number, deviation: number, label = 'ar'): Float64Array {
  const shocks = noise(label, [length + 200]).data
  const values = new Float64Array(length + 200)
  for (let t = 0; t < values.length; t++)
    values[t] = coefficients.reduce((sum, weight, lag) => sum + weight * (values[t - 1 - lag] ?? 0), deviation * shocks[t]!)
  return values.slice(200)
}
