import { seasonalIndices } from './seasonal-indices.ts'

/** `values[t] − values[t − lag]`. */
export function differenced(values: Float64Array, lag = 1): Float64Array {
  return Float64Array.from({ length: Math.max(0, values.length - lag) }, (_, i) => values[i + lag]! - values[i]!)
}

/** NaN of nothing. */
export function meanOf(values: Float64Array): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length
}

/** Mean squared distance from the mean. */
export function varianceOf(values: Float64Array): number {
  const mean = meanOf(values)
  return values.reduce((sum, value) => sum + (value - mean) ** 2, 0) / values.length
}

/** Above it, a series without a trend has a mean that wanders, at 5 %. Kwiatkowski, Phillips, Schmidt & Shin 1992, table 1. */
const wandering = 0.463

/** KPSS statistic of a series around its mean; 0 of a constant one. Lags as in Hyndman & Khandakar 2008. */
export function kpss(values: Float64Array): number {
  const [length, mean] = [values.length, meanOf(values)]
  const apart = values.map((value) => value - mean)
  const lags = Math.trunc((3 * Math.sqrt(length)) / 13)
  let variance = 0
  for (let lag = 0; lag <= lags; lag++) {
    let products = 0
    for (let i = lag; i < length; i++) products += apart[i]! * apart[i - lag]!
    variance += (lag === 0 ? 1 : 2 * (1 - lag / (lags + 1))) * products
  }
  let [sum, squares] = [0, 0]
  for (const each of apart) {
    sum += each
    squares += sum ** 2
  }
  return variance <= 0 ? 0 : squares / length / variance
}

/** How often a series is differenced until its mean does not wander, up to twice. */
export function differencesNeeded(values: Float64Array): number {
  let count = 0
  for (let each = values; count < 2 && each.length > 4 && kpss(each) > wandering; each = differenced(each)) count++
  return count
}

/** Share of the variance around a moving average that a fixed season explains, from 0 to 1. Wang, Smith & Hyndman 2006. Needs more than two seasons. */
export function seasonalStrength(values: Float64Array, season: number): number {
  const half = Math.floor(season / 2)
  const indices = seasonalIndices(values, season, 'additive')
  const detrended: number[] = []
  const rest: number[] = []
  let sum = values.subarray(0, 2 * half + 1).reduce((total, value) => total + value, 0)
  for (let i = half; i < values.length - half; i++) {
    if (i > half) sum += values[i + half]! - values[i - half - 1]!
    const trend = season % 2 === 0 ? (sum - (values[i - half]! + values[i + half]!) / 2) / season : sum / season
    detrended.push(values[i]! - trend)
    rest.push(values[i]! - trend - indices[i % season]!)
  }
  const whole = varianceOf(Float64Array.from(detrended))
  return whole === 0 ? 0 : Math.max(0, 1 - varianceOf(Float64Array.from(rest)) / whole)
}
