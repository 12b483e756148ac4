import { type ArimaOrders, coefficientCount, forecastArima, stationary } from './arima-model.ts'
import { differenced, differencesNeeded, seasonalStrength, varianceOf } from './differencing.ts'

/** Seasons that explain more than this are differenced. Hyndman & Khandakar 2008, as their package has it. */
const strongSeason = 0.64

/** Coefficients at most: of a kind within a season, and of both kinds between seasons. */
const [most, mostSeasonal] = [2, 1]

/** Models tried at most. */
const tries = 16

/**
 * The orders that a stepwise search finds best: differences by tests, the rest by Akaike's corrected criterion from the likeliest variance of the errors.
 * Hyndman & Khandakar 2008, Automatic time series forecasting: the forecast package for R, section 3.2, with smaller orders. Always gives some: at the
 * least differences that are noise around a constant.
 */
export function findOrders(values: Float64Array, period: number): ArimaOrders {
  const seasonal = period > 1 && values.length >= 3 * period
  const D = seasonal && strengthOf(values, period) > strongSeason ? 1 : 0
  const d = differencesNeeded(D === 1 ? differenced(values, period) : values)
  const used = seasonal ? period : 1
  const at = (p: number, q: number, P: number, Q: number, constant = d + D < 2): ArimaOrders => ({
    order: [p, d, q],
    seasonal: seasonal ? [P, D, Q] : [0, 0, 0],
    period: used,
    constant,
  })
  const search = new Search(values)
  let best = at(0, 0, 0, 0)
  search.score(best)
  const noise = stationary(values, best)
  if (varianceOf(noise) <= 1e-16 * varianceOf(values)) return best
  // A mean, of what is not differenced, is always estimated.
  const free = d + D === 1
  const starts = [at(0, 1, 0, 1), at(1, 0, 1, 0), at(1, 1, 0, 1), ...(free ? [at(0, 0, 0, 0, false)] : [])]
  for (const start of starts) best = search.better(best, start)
  for (let last: ArimaOrders | undefined; last !== best; ) {
    last = best
    for (const next of neighbours(last, free)) best = search.better(best, next)
  }
  return best
}

/** Of a season that grows with the series, the logarithms tell. */
function strengthOf(values: Float64Array, period: number): number {
  const strength = seasonalStrength(values, period)
  return values.every((value) => value > 0) ? Math.max(strength, seasonalStrength(values.map(Math.log), period)) : strength
}

function neighbours({ order: [p, d, q], seasonal: [P, D, Q], period, constant }: ArimaOrders, free: boolean): ArimaOrders[] {
  const found: ArimaOrders[] = []
  const add = (dp: number, dq: number, dP: number, dQ: number) =>
    found.push({ order: [p + dp, d, q + dq], seasonal: [P + dP, D, Q + dQ], period, constant })
  for (const by of [1, -1]) {
    if (period > 1) {
      add(0, 0, by, 0)
      add(0, 0, 0, by)
      add(0, 0, by, -by)
    }
    add(by, 0, 0, 0)
    add(0, by, 0, 0)
    add(by, by, 0, 0)
  }
  if (free) found.push({ order: [p, d, q], seasonal: [P, D, Q], period, constant: !constant })
  const within = (value: number, limit: number) => value >= 0 && value <= limit
  return found.filter(({ order, seasonal }) => {
    const [autoregressive, average] = [seasonal[0], seasonal[2]]
    const small = within(order[0], most) && within(order[2], most)
    return small && autoregressive >= 0 && average >= 0 && autoregressive + average <= mostSeasonal
  })
}

/** Models that were scored, each once. */
class Search {
  readonly #values: Float64Array
  readonly #scores = new Map<string, number>()

  constructor(values: Float64Array) {
    this.#values = values
  }

  better(best: ArimaOrders, other: ArimaOrders): ArimaOrders {
    return this.score(other) < this.score(best) - 1e-6 ? other : best
  }

  /** Infinite for models that cannot be fitted, and for all once enough were tried. */
  score(orders: ArimaOrders): number {
    const key = JSON.stringify(orders)
    const known = this.#scores.get(key)
    if (known !== undefined) return known
    if (this.#scores.size >= tries) return Number.POSITIVE_INFINITY
    const score = criterion(this.#values, orders)
    this.#scores.set(key, score)
    return score
  }
}

function criterion(values: Float64Array, orders: ArimaOrders): number {
  const length = stationary(values, orders).length
  const count = coefficientCount(orders) + 1
  if (length - count - 1 <= 0) return Number.POSITIVE_INFINITY
  const found = forecastArima(values, orders, 2)
  if (found === undefined) return Number.POSITIVE_INFINITY
  const floor = 1e-20 * (varianceOf(values) + Number.MIN_VALUE)
  return length * Math.log(Math.max(found.likeliest, floor)) + 2 * count + (2 * count * (count + 1)) / (length - count - 1)
}
