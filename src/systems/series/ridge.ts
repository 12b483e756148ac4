import { Matrix, solve } from 'ml-matrix'
import * as v from 'valibot'
import { DataError, FormatError } from '../../base/errors.ts'
import type { SeriesFrame } from '../../data/index.ts'
import type { FitRequest, FittedForecaster, ForecasterSystem, LagCoefficients } from '../forecaster-system.ts'
import { count, parseConfig } from '../read-config.ts'
import { ownValuesOnly } from './baseline.ts'

const optionsSchema = v.strictObject({
  /** Values that a forecast looks at. Default: two seasons and at least 12, or what the shortest series allows. */
  lags: v.optional(v.pipe(count, v.maxValue(2048))),
  /** Added to the diagonal, as a share of its mean. */
  penalty: v.optional(v.pipe(v.number(), v.minValue(0), v.finite()), 1e-3),
})

export type RidgeOptions = v.InferOutput<typeof optionsSchema>

const stateSchema = v.strictObject({
  lags: count,
  /** `[lags + 1, horizon]`, the last row the constant. */
  weights: v.array(v.array(v.pipe(v.number(), v.finite()))),
})

type State = v.InferOutput<typeof stateSchema>

/**
 * One linear map from the last values of a series, less the very last, to all steps of the horizon, the same for all series; least squares with a
 * penalty, in closed form.
 */
const ridge: ForecasterSystem<RidgeOptions> = {
  kind: 'forecaster',
  id: 'ridge',
  source:
    'Hoerl & Kennard 1970; as a baseline of long-horizon forecasting, Toner & Darlow 2024, An Analysis of Linear Time Series Forecasting Models',
  capabilities: () => ownValuesOnly,
  readOptions: (value) => parseConfig(optionsSchema, value, 'ridge'),
  minimumLength: ({ lags = 1 }, { horizon }) => lags + horizon + 1,
  async fit(frame, options, request) {
    const lags = options.lags ?? defaultLags(frame, request)
    const { horizon } = request
    const [gram, products, rows] = normalEquations(frame, lags, horizon)
    // Relative to the squares of the lags alone, so that the unit of the values does not matter; what rounding leaves of constants is nothing.
    const meanSquare = gram.diag().reduce((sum, square, i) => (i < lags ? sum + square : sum), 0) / lags
    const lift = meanSquare > rows * (1e-10 * largest(frame)) ** 2 ? (options.penalty + 1e-12) * meanSquare : Math.max(1, rows)
    for (let lag = 0; lag < lags; lag++) gram.set(lag, lag, gram.get(lag, lag) + lift)
    return fitted({ lags, weights: solve(gram, products).to2DArray() }, horizon)
  },
  restore(state, _options, { horizon }) {
    const parsed = v.safeParse(stateSchema, state)
    if (
      !parsed.success ||
      parsed.output.weights.length !== parsed.output.lags + 1 ||
      parsed.output.weights.some((row) => row.length !== horizon)
    )
      throw new FormatError('the state of a ridge forecaster', { expected: 'lags + 1 rows of weights, one column a step' })
    return fitted(parsed.output, horizon)
  },
}

export default ridge

function largest({ series }: SeriesFrame): number {
  return series.reduce((most, { values }) => values.reduce((own, value) => Math.max(own, Math.abs(value)), most), 0)
}

/** Two seasons, at least 12, and no more than leaves the shortest series half of its windows. */
function defaultLags({ series }: SeriesFrame, { season, horizon }: FitRequest): number {
  const shortest = Math.min(...series.map(({ values }) => values.length))
  const most = Math.floor((shortest - horizon) / 2)
  if (most < 1)
    throw new DataError(`the shortest series has ${shortest} values`, {
      expected: `at least ${horizon + 2} for a horizon of ${horizon}`,
    })
  return Math.min(Math.max(2 * season, 12), most, 512)
}

/**
 * XᵀX, XᵀY and the number of windows over all series, of lags and a 1 `[window, lags + 1]`, and of what came `[window, horizon]`, all less the last value known.
 */
function normalEquations({ series }: SeriesFrame, lags: number, horizon: number): [Matrix, Matrix, number] {
  const gram = Matrix.zeros(lags + 1, lags + 1)
  const products = Matrix.zeros(lags + 1, horizon)
  let rows = 0
  for (const { values } of series) {
    const windows = values.length - lags - horizon + 1
    if (windows < 1) continue
    rows += windows
    const raw = windowProducts(values, windows, lags + horizon)
    const last = lags - 1
    const less = (i: number, j: number) => raw.get(i, j) - raw.get(i, last) - raw.get(last, j) + raw.get(last, last)
    const lessSum = (i: number) => raw.get(i, lags + horizon) - raw.get(last, lags + horizon)
    for (let i = 0; i < lags; i++) {
      for (let j = 0; j < lags; j++) gram.set(i, j, gram.get(i, j) + less(i, j))
      for (let step = 0; step < horizon; step++) products.set(i, step, products.get(i, step) + less(i, lags + step))
      gram.set(i, lags, gram.get(i, lags) + lessSum(i))
      gram.set(lags, i, gram.get(i, lags))
    }
    gram.set(lags, lags, gram.get(lags, lags) + windows)
    for (let step = 0; step < horizon; step++) products.set(lags, step, products.get(lags, step) + lessSum(lags + step))
  }
  return [gram, products, rows]
}

/**
 * Σ over windows of value i times value j, `[size, size + 1]`, the last column their sums: neighbouring windows share all but one value, so that a sum one
 * place on differs by its first and last terms. Values count from their mean, which loses fewest digits.
 */
function windowProducts(values: Float64Array, windows: number, size: number): Matrix {
  const center = values.reduce((sum, value) => sum + value, 0) / values.length
  const centered = values.map((value) => value - center)
  const sums = Matrix.zeros(size, size + 1)
  for (let j = 0; j < size; j++) {
    let [product, sum] = [0, 0]
    for (let window = 0; window < windows; window++) {
      product += centered[window]! * centered[window + j]!
      sum += centered[window + j]!
    }
    sums.set(0, j, product)
    sums.set(j, 0, product)
    sums.set(j, size, sum)
  }
  for (let i = 1; i < size; i++)
    for (let j = i; j < size; j++) {
      const left = centered[i - 1]! * centered[j - 1]!
      const entered = centered[i - 1 + windows]! * centered[j - 1 + windows]!
      sums.set(i, j, sums.get(i - 1, j - 1) - left + entered)
      sums.set(j, i, sums.get(i, j))
    }
  return sums
}

function fitted({ lags, weights }: State, fittedHorizon: number): FittedForecaster {
  const continued = (values: Float64Array, horizon: number) => {
    const last = values.at(-1)!
    const mean = new Float64Array(Math.min(horizon, fittedHorizon))
    for (let step = 0; step < mean.length; step++) {
      let sum = last + weights[lags]![step]!
      for (let lag = 0; lag < lags; lag++) sum += weights[lag]![step]! * (values[values.length - lags + lag]! - last)
      mean[step] = sum
    }
    return mean
  }
  return {
    minimumLength: lags,
    state: () => ({ lags, weights }),
    predict: async ({ histories, horizon }) =>
      histories.map(({ series }) => series.map(({ values }) => ({ mean: continued(values, horizon) }))),
    coefficients: () => coefficientsOf(weights, lags, fittedHorizon),
  }
}

/** The weights of differences to the last value, as weights of the values themselves. */
function coefficientsOf(weights: State['weights'], lags: number, horizon: number): LagCoefficients {
  const ofStep = (step: number) => {
    const row = Float64Array.from({ length: lags }, (_, lag) => weights[lags - 1 - lag]![step]!)
    row[0] = 1 - row.subarray(1).reduce((sum, weight) => sum + weight, 0)
    return row
  }
  return { lags: Array.from({ length: horizon }, (_, step) => ofStep(step)), constant: Float64Array.from(weights[lags]!) }
}
