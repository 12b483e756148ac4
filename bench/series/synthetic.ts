import type { SeriesFrame } from 'nextx/data'
import { uniformGenerator } from '../lib/random.ts'

/** Series of plain steps. */
export function stepFrame(columns: Readonly<Record<string, Float64Array>>): SeriesFrame {
  const series = Object.entries(columns).map(([id, values]) => ({ id, start: 0, values, past: {}, future: {}, static: {} }))
  return { frequency: { unit: 'step', every: 1 }, zone: 'UTC', series }
}

/** y_t = Σ weights[i]·y_{t−1−i} + deviation·ε_t, after as many steps to forget how it began. */
export function autoregression(weights: readonly number[], length: number, deviation: number, seed: number): Float64Array {
  const noise = normals(2 * length, seed)
  const values = new Float64Array(2 * length)
  for (let t = 0; t < values.length; t++)
    values[t] = weights.reduce((sum, weight, i) => sum + weight * (values[t - 1 - i] ?? 0), deviation * noise[t]!)
  return values.slice(length)
}

export function normals(count: number, seed: number): Float64Array {
  const uniform = uniformGenerator(seed)
  return Float64Array.from({ length: count }, () => Math.sqrt(-2 * Math.log(uniform())) * Math.cos(2 * Math.PI * uniform()))
}

/** The exponent b of y = a·x^b, by least squares of logarithms. */
export function exponent(x: readonly number[], y: readonly number[]): number {
  const [logX, logY] = [x.map(Math.log), y.map(Math.log)]
  const mean = (values: readonly number[]) => values.reduce((sum, value) => sum + value, 0) / values.length
  const [centerX, centerY] = [mean(logX), mean(logY)]
  const across = logX.reduce((sum, value, i) => sum + (value - centerX) * (logY[i]! - centerY), 0)
  return across / logX.reduce((sum, value) => sum + (value - centerX) ** 2, 0)
}
