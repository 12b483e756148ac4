import Arima from 'arima'
import { differenced, meanOf, varianceOf } from './differencing.ts'

/** ARIMA(p, d, q)(P, D, Q) of a period; 1 without a season. */
export interface ArimaOrders {
  readonly order: readonly [p: number, d: number, q: number]
  readonly seasonal: readonly [p: number, d: number, q: number]
  readonly period: number
  /** A mean, of what is not differenced; a drift, of what is differenced once. */
  readonly constant: boolean
}

export interface ArimaForecast {
  /** `[horizon]`. */
  readonly mean: Float64Array
  readonly variance: Float64Array
  /** Likeliest variance of errors one step ahead. */
  readonly likeliest: number
}

/** How many steps can be asked for: the library takes what it is given on a stack of 64 KiB. */
export const mostSteps = 4000

/** Coefficients besides the variance. */
export function coefficientCount({ order: [p, , q], seasonal: [P, , Q], constant }: ArimaOrders): number {
  return p + q + P + Q + (constant ? 1 : 0)
}

/** The series differenced as a model has it. */
export function stationary(values: Float64Array, { order: [, d], seasonal: [, D], period }: ArimaOrders): Float64Array {
  let result = values
  for (let i = 0; i < D; i++) result = differenced(result, period)
  for (let i = 0; i < d; i++) result = differenced(result)
  return result
}

/** Least values for a model: what is lost by differencing, two seasons, and some for each coefficient. */
export function leastValues(orders: ArimaOrders): number {
  const { order, seasonal, period } = orders
  const lost = order[1] + seasonal[1] * period
  const pure = coefficientCount(orders) - (orders.constant ? 1 : 0) === 0
  return lost + (pure ? 3 : Math.max(order[0] + order[2], seasonal.some((each) => each > 0) ? 2 * period : 0, 10))
}

/**
 * Fits a model by maximum likelihood and forecasts. Undefined where the search for its coefficients ended where no forecast can be: not finite, of negative
 * variance, or less likely than independent noise. At most about a thousand values.
 */
export function forecastArima(values: Float64Array, orders: ArimaOrders, horizon: number): ArimaForecast | undefined {
  if (values.length < leastValues(orders)) return undefined
  if (isPure(orders)) return sound(values, orders, withoutCoefficients(values, orders, horizon))
  for (const search of searches) {
    const found = sound(values, orders, fitted(values, orders, horizon, search))
    if (found !== undefined) return found
  }
  return undefined
}

function sound(
  values: Float64Array,
  orders: ArimaOrders,
  [mean, variance]: [Float64Array, Float64Array],
): ArimaForecast | undefined {
  const noise = stationary(values, orders)
  const spread = orders.constant ? varianceOf(noise) : varianceOf(noise) + meanOf(noise) ** 2
  const likeliest = variance[0]!
  const possible = likeliest >= 0 && likeliest <= 1.05 * spread && mean.every(Number.isFinite)
  if (!possible || !variance.every((each) => each >= 0.999 * likeliest && Number.isFinite(each))) return undefined
  // Unbiased, as arima of R has it.
  const freedom = noise.length / Math.max(1, noise.length - coefficientCount(orders))
  return { mean, variance: variance.map((each) => each * freedom), likeliest }
}

function isPure({ order, seasonal }: ArimaOrders): boolean {
  return order[0] + order[2] + seasonal[0] + seasonal[2] === 0
}

/** The library's default begins from a guess that may lead far away, and prints so. */
const exactLikelihood = 1

/** Broyden, Fletcher, Goldfarb & Shanno's search, and where it ends in vain, the same with little memory. Some of the others take minutes now and then. */
const searches = [5, 6]

function fitted(values: Float64Array, orders: ArimaOrders, horizon: number, optimizer: number): [Float64Array, Float64Array] {
  const { order, seasonal, period, constant } = orders
  const [p, d, q] = order
  const [P, D, Q] = seasonal
  const model = new Arima({ p, d, q, P, D, Q, s: P + D + Q === 0 ? 0 : period, method: exactLikelihood, optimizer, verbose: false })
  const drift = (from: number, count: number) => (constant && d + D > 0 ? Array.from({ length: count }, (_, i) => from + i) : [])
  try {
    model.train([...values], drift(1, values.length))
    const [mean, variance] = model.predict(horizon, drift(values.length + 1, horizon))
    return [Float64Array.from(mean), Float64Array.from(variance)]
  } finally {
    model.destroy()
  }
}

/** Of differences that are independent noise around a constant, which the library does not take: y = Σ ψⱼ · errors. */
function withoutCoefficients(values: Float64Array, orders: ArimaOrders, horizon: number): [Float64Array, Float64Array] {
  const {
    order: [, d],
    seasonal: [, D],
    period,
    constant,
  } = orders
  const noise = stationary(values, orders)
  const middle = constant ? meanOf(noise) : 0
  const variance = varianceOf(noise) + (meanOf(noise) - middle) ** 2
  // y[t] = Σ weights[lag] · y[t − lag] + middle + error: 1 − (1 − B)^d (1 − B^period)^D.
  let polynomial = [1]
  for (const lag of [...new Array<number>(d).fill(1), ...new Array<number>(D).fill(period)])
    polynomial = timesDifference(polynomial, lag)
  const recursion = (known: readonly number[], count: number, constantPart: number) => {
    const all = [...known]
    for (let step = 0; step < count; step++) {
      let sum = constantPart
      for (let lag = 1; lag < polynomial.length; lag++) sum -= polynomial[lag]! * (all[all.length - lag] ?? 0)
      all.push(sum)
    }
    return all.slice(known.length)
  }
  const mean = Float64Array.from(recursion([...values.subarray(-polynomial.length)], horizon, middle))
  const effects = Float64Array.of(1, ...recursion([1], horizon - 1, 0))
  let squares = 0
  const variances = effects.map((effect) => {
    squares += effect ** 2
    return squares * variance
  })
  return [mean, variances]
}

function timesDifference(polynomial: readonly number[], lag: number): number[] {
  return Array.from({ length: polynomial.length + lag }, (_, i) => (polynomial[i] ?? 0) - (polynomial[i - lag] ?? 0))
}
