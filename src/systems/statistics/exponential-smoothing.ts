import { factorMoments } from './factor-moments.ts'

/** A model of exponential smoothing in the taxonomy of error, trend and season; Hyndman, Koehler, Ord & Snyder 2008. */
export interface SmoothingModel {
  readonly error: 'additive' | 'multiplicative'
  readonly trend: 'none' | 'additive' | 'damped'
  readonly season: 'none' | 'additive' | 'multiplicative'
  /** Steps of the season; 1 without. */
  readonly period: number
}

/** How much of each error the states take up: α, β and γ of the error-correction form; φ is 1 for a trend that is not damped. */
export interface SmoothingWeights {
  readonly level: number
  readonly slope: number
  readonly season: number
  readonly damping: number
}

export interface SmoothingState {
  readonly level: number
  /** 0 without a trend. */
  readonly slope: number
  /** `[period]`: of the next value, the one after it, …; empty without a season. */
  readonly season: Float64Array
}

/** Values gone through one after another. */
export interface Smoothed {
  /** After the last value. */
  readonly state: SmoothingState
  /** Of errors one step ahead, relative ones for multiplicative errors. Infinite where a model of positive values forecast others. */
  readonly squares: number
  /** Sum of the logarithms of the forecasts, for multiplicative errors; else 0. */
  readonly logs: number
}

const broken = Number.POSITIVE_INFINITY

/** Goes through `[time]` values from the state before the first one. */
export function smooth(model: SmoothingModel, weights: SmoothingWeights, from: SmoothingState, values: Float64Array): Smoothed {
  const season = from.season.slice()
  const [seasonal, factor] = [model.season !== 'none', model.season === 'multiplicative']
  const relative = model.error === 'multiplicative'
  let { level, slope } = from
  let [squares, logs, position] = [0, 0, 0]
  for (let t = 0; t < values.length; t++) {
    const trend = level + weights.damping * slope
    const index = seasonal ? season[position]! : 0
    const forecast = factor ? trend * index : trend + index
    if ((relative && !(forecast > 0)) || (factor && !(trend > 0 && index > 0))) {
      squares = broken
      break
    }
    const error = values[t]! - forecast
    const share = relative ? error / forecast : error
    squares += share * share
    if (relative) logs += Math.log(forecast)
    const ofTrend = factor ? error / index : error
    level = trend + weights.level * ofTrend
    slope = weights.damping * slope + weights.slope * ofTrend
    if (seasonal) {
      season[position] = index + weights.season * (factor ? error / trend : error)
      position = position + 1 === season.length ? 0 : position + 1
    }
  }
  return { state: { level, slope, season: rotated(season, position) }, squares, logs }
}

function rotated(season: Float64Array, by: number): Float64Array {
  if (by === 0) return season
  return season.map((_, i) => season[(i + by) % season.length]!)
}

/** What is to come from a state, each `[horizon]`. */
export interface SmoothingForecast {
  readonly mean: Float64Array
  /** What would come without a season. */
  readonly trend: Float64Array
  readonly variance: Float64Array
}

/**
 * Means and variances of what is to come, when errors one step ahead are independent and normal with `variance` (relative errors, for multiplicative ones).
 * Hyndman, Koehler, Ord & Snyder 2008, Forecasting with Exponential Smoothing, chapter 6.
 */
export function forecastFrom(
  model: SmoothingModel,
  weights: SmoothingWeights,
  state: SmoothingState,
  { horizon, variance }: { readonly horizon: number; readonly variance: number },
): SmoothingForecast {
  const trend = trendFrom(weights, state, horizon)
  if (model.season === 'multiplicative') return { trend, ...factorMoments(weights, state, horizon, variance) }
  const { season } = state
  const mean = trend.map((value, step) => (model.season === 'none' ? value : value + season[step % season.length]!))
  const effects = errorEffects(model, weights, horizon)
  const additive = model.error === 'additive'
  return { mean, trend, variance: additive ? additiveVariances(effects, variance) : relativeVariances(mean, effects, variance) }
}

function trendFrom(weights: SmoothingWeights, { level, slope }: SmoothingState, horizon: number): Float64Array {
  const trend = new Float64Array(horizon)
  for (let [step, damping, sum] = [0, weights.damping, weights.damping]; step < horizon; step++) {
    trend[step] = level + sum * slope
    damping *= weights.damping
    sum += damping
  }
  return trend
}

/** What an error does to the value `j` steps later, for each `j` from 1 (cⱼ); entry 0 is 0. */
function errorEffects(model: SmoothingModel, weights: SmoothingWeights, horizon: number): Float64Array {
  const effects = new Float64Array(horizon)
  for (let [j, damping, sum] = [1, weights.damping, weights.damping]; j < horizon; j++) {
    const season = model.season === 'additive' && j % model.period === 0 ? weights.season : 0
    effects[j] = weights.level + weights.slope * sum + season
    damping *= weights.damping
    sum += damping
  }
  return effects
}

function additiveVariances(effects: Float64Array, variance: number): Float64Array {
  let sum = 1
  return effects.map((effect) => {
    sum += effect ** 2
    return variance * sum
  })
}

/** Of multiplicative errors. θ is the mean square of what each step's forecast will be; costs the horizon's square. */
function relativeVariances(mean: Float64Array, effects: Float64Array, variance: number): Float64Array {
  const moments = new Float64Array(mean.length)
  return mean.map((value, step) => {
    let sum = 0
    for (let j = 1; j <= step; j++) sum += effects[j]! ** 2 * moments[step - j]!
    moments[step] = value ** 2 + variance * sum
    return Math.max(0, moments[step]! * (1 + variance) - value ** 2)
  })
}
