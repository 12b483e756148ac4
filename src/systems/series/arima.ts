import * as v from 'valibot'
import { DataError, OptionError } from '../../base/errors.ts'
import type { Series } from '../../data/index.ts'
import type { FitRequest } from '../forecaster-system.ts'
import { type Asked, intervalsOption, type NormalForecast, perSeries } from '../series-engines/per-series.ts'
import { type ArimaOrders, forecastArima, mostSteps } from '../statistics/arima-model.ts'
import { findOrders } from '../statistics/arima-orders.ts'
import { findSeason, type SeasonalIndices, withoutSeason, withSeason } from '../statistics/seasonal-indices.ts'

const small = v.pipe(v.number(), v.integer(), v.minValue(0), v.maxValue(5))
const differences = v.pipe(v.number(), v.integer(), v.minValue(0), v.maxValue(2))
const orders = v.tuple([small, differences, small])

const optionsSchema = v.pipe(
  v.strictObject({
    /** p, d, q. Default: what a stepwise search prefers. */
    order: v.optional(orders),
    /** P, D, Q, with an order. Default: none, where an order is given. */
    seasonal: v.optional(orders),
    /** A mean, or a drift of what is differenced once, with an order. Default: of what is differenced at most once. */
    constant: v.optional(v.boolean()),
    intervals: intervalsOption,
  }),
  v.check(
    ({ order, seasonal, constant }) => order !== undefined || (seasonal === undefined && constant === undefined),
    'an order, with seasonal and constant',
  ),
)

export type ArimaOptions = v.InferOutput<typeof optionsSchema>

const learntSchema = v.strictObject({
  order: orders,
  seasonal: orders,
  period: v.pipe(v.number(), v.integer(), v.minValue(1)),
  constant: v.boolean(),
})

/** Older values of a series are passed over. */
const mostValues = 500

/** Longer seasons are taken off by a decomposition first: models of them take long. */
const longestSeason = 12

/**
 * ARIMA with the orders that a stepwise search prefers, or with those given. Orders are kept; coefficients are estimated anew from each history, as the library
 * gives none back.
 */
export default perSeries<ArimaOptions, ArimaOrders>({
  id: 'arima',
  source:
    'Box & Jenkins 1970; orders as Hyndman & Khandakar 2008, Automatic time series forecasting; fitted by the package arima, the C library ctsa',
  options: optionsSchema,
  learnt: learntSchema as v.GenericSchema<unknown, ArimaOrders>,
  minimumLength: () => 5,
  learn,
  forecast,
})

function learn(series: Series, { order, seasonal = [0, 0, 0], constant }: ArimaOptions, request: FitRequest): ArimaOrders {
  const { values } = prepared(series, request)
  const period = request.season > 1 && request.season <= longestSeason ? request.season : 1
  if (order === undefined) return findOrders(values, period)
  if (period === 1 && seasonal.some((each) => each > 0))
    throw new OptionError(`arima: seasonal orders with a season of ${request.season}`, {
      expected: `one of 2 to ${longestSeason} steps`,
    })
  const differenced = order[1] + seasonal[1]
  if (constant === true && differenced > 1)
    throw new OptionError('arima: a constant of what is differenced twice', { expected: 'at most one difference' })
  if (constant === false && differenced === 0)
    throw new OptionError('arima: no constant of what is not differenced', { expected: 'a mean, which is always estimated' })
  const found = { order, seasonal, period, constant: constant ?? differenced < 2 }
  if (forecastArima(values, found, Math.min(request.horizon, mostSteps)) === undefined)
    throw new DataError(`series '${series.id}' of ${values.length} values has no ARIMA(${order})(${seasonal})`, {
      expected: 'values enough, and orders that suit them',
      fix: 'smaller orders, or none, so that they are searched for',
    })
  return found
}

/** The last values of a series, without a season that is too long for a model. */
function prepared(
  series: Series,
  { season }: FitRequest,
): { readonly values: Float64Array; readonly season: SeasonalIndices | undefined } {
  const long = season > longestSeason
  const values = series.values.subarray(-Math.max(mostValues, long ? 4 * season : 0))
  const found = long ? findSeason(values, season) : undefined
  return { values: withoutSeason(values, found).subarray(-mostValues), season: found }
}

function forecast(series: Series, learnt: ArimaOrders, { horizon, request }: Asked<ArimaOptions>): NormalForecast | undefined {
  if (horizon > mostSteps) throw new OptionError(`arima: a horizon of ${horizon}`, { expected: `at most ${mostSteps}` })
  const { values, season } = prepared(series, request)
  const found = forecastArima(values, learnt, horizon)
  if (found === undefined) return undefined
  const { mean, variance } = found
  if (season === undefined) return { mean, variance }
  const from = Math.min(series.values.length, Math.max(mostValues, 4 * request.season))
  const scale = season.kind === 'multiplicative' ? withSeason(new Float64Array(horizon).fill(1), season, from) : undefined
  return {
    mean: withSeason(mean, season, from),
    variance: scale === undefined ? variance : variance.map((each, i) => each * scale[i]! ** 2),
  }
}
