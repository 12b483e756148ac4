import * as v from 'valibot'
import { DataError } from '../../base/errors.ts'
import type { Series } from '../../data/index.ts'
import type { FitRequest } from '../forecaster-system.ts'
import { count } from '../read-config.ts'
import { type Asked, intervalsOption, type NormalForecast, perSeries } from '../series-engines/per-series.ts'
import { forecastFrom, type SmoothingState, smooth } from '../statistics/exponential-smoothing.ts'
import { bestSmoothing, type FittedSmoothing, fitSmoothing, smoothingModels } from '../statistics/fit-smoothing.ts'

const errors = v.picklist(['additive', 'multiplicative'])
const seasons = v.picklist(['none', 'additive', 'multiplicative'])

const optionsSchema = v.strictObject({
  /** Default, here and below: what Akaike's corrected criterion prefers. */
  error: v.optional(errors),
  trend: v.optional(v.picklist(['none', 'additive'])),
  /** Whether a trend levels out. */
  damped: v.optional(v.boolean()),
  season: v.optional(seasons),
  intervals: intervalsOption,
})

export type EtsOptions = v.InferOutput<typeof optionsSchema>

const number = v.pipe(v.number(), v.finite())

const learntSchema = v.strictObject({
  /** Stamp of the first value of the series, and how many values were passed over. */
  start: number,
  skipped: v.pipe(v.number(), v.safeInteger(), v.minValue(0)),
  model: v.strictObject({ error: errors, trend: v.picklist(['none', 'additive', 'damped']), season: seasons, period: count }),
  weights: v.strictObject({ level: number, slope: number, season: number, damping: number }),
  /** Before the first value that was not passed over. */
  initial: v.strictObject({ level: number, slope: number, season: v.array(number) }),
  variance: v.pipe(number, v.minValue(0)),
})

type Learnt = v.InferOutput<typeof learntSchema>

/** Older values of a series are passed over: they would cost time and tell little of how it is now. */
const mostValues = 1000

/**
 * Exponential smoothing with the error, trend and season that Akaike's corrected criterion prefers among 15 models; seasons where a series has more than two.
 * Histories of a series are gone through with the weights that were learnt of it; where they begin elsewhere, with initial states of their own.
 */
export default perSeries<EtsOptions, Learnt>({
  id: 'ets',
  source:
    'Hyndman, Koehler, Snyder & Grose 2002, A state space framework for automatic forecasting using exponential smoothing methods; its models, Hyndman et al. 2008',
  options: optionsSchema,
  learnt: learntSchema,
  minimumLength: () => 5,
  learn,
  forecast,
})

function learn(series: Series, options: EtsOptions, request: FitRequest): Learnt {
  const skipped = skippedOf(series, request)
  const values = series.values.subarray(skipped)
  const found = bestSmoothing(candidates(values, options, request), values)
  if (found === undefined)
    throw new DataError(`series '${series.id}' of ${values.length} values has no model such as asked`, {
      expected: 'positive values for multiplicative parts, more than two seasons for seasonal ones, more values for a trend',
      fix: "leave error, trend, damped and season of 'ets' out",
    })
  return { start: series.start, skipped, ...learntOf(found) }
}

function learntOf({ model, weights, initial, variance }: FittedSmoothing): Omit<Learnt, 'start' | 'skipped'> {
  return { model, weights, initial: { ...initial, season: [...initial.season] }, variance }
}

function skippedOf({ values }: Series, { season }: FitRequest): number {
  return Math.max(0, values.length - Math.max(mostValues, 4 * season))
}

function candidates(values: Float64Array, { error, trend, damped, season }: EtsOptions, request: FitRequest) {
  return smoothingModels(values, request.season).filter(
    (model) =>
      (error === undefined || model.error === error) &&
      (trend === undefined || (model.trend === 'none') === (trend === 'none')) &&
      (damped === undefined || (model.trend === 'damped') === damped) &&
      (season === undefined || model.season === season),
  )
}

function forecast(series: Series, learnt: Learnt, { horizon, request }: Asked<EtsOptions>): NormalForecast | undefined {
  const from = learnt.start === series.start && series.values.length > learnt.skipped ? learnt.skipped : undefined
  const values = series.values.subarray(from ?? skippedOf(series, request))
  const initial =
    from === undefined ? initialOf(values, learnt) : { ...learnt.initial, season: Float64Array.from(learnt.initial.season) }
  if (initial === undefined) return undefined
  const { model, weights, variance } = learnt
  const { state, squares } = smooth(model, weights, initial, values)
  if (!Number.isFinite(squares)) return undefined
  const { mean, trend, variance: variances } = forecastFrom(model, weights, state, { horizon, variance })
  return {
    mean,
    variance: variances,
    components: { trend, ...(model.season !== 'none' && { season: mean.map((value, i) => value - trend[i]!) }) },
  }
}

/** The likeliest initial states of a history that begins elsewhere; undefined where the model cannot be its. */
function initialOf(values: Float64Array, { model, weights }: Learnt): SmoothingState | undefined {
  const possible = smoothingModels(values, model.period).some(
    ({ error, trend, season }) => error === model.error && trend === model.trend && season === model.season,
  )
  return possible ? fitSmoothing(model, values, { weights }).initial : undefined
}
