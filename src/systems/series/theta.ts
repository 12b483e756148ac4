import { findSeason, withoutSeason, withSeason } from '../statistics/seasonal-indices.ts'
import { simpleSmoothing } from '../statistics/simple-smoothing.ts'
import { baseline } from './baseline.ts'

/**
 * Simple exponential smoothing that drifts by half the slope of the trend, on a series without its season. All of it is estimated anew from each history.
 */
export default baseline({
  id: 'theta',
  source:
    'Assimakopoulos & Nikolopoulos 2000, The theta model; as exponential smoothing with drift, Hyndman & Billah 2003, Unmasking the Theta method',
  minimumLength: () => 3,
  continued(values, horizon, { season }) {
    const found = findSeason(values, season)
    const adjusted = withoutSeason(values, found)
    const { weight, level } = simpleSmoothing(adjusted)
    const drift = slopeOf(adjusted) / 2
    // The drift of the smoothed level lags behind: Hyndman & Billah 2003, equation 6.
    const behind = (1 - (1 - weight) ** values.length) / weight
    const means = Float64Array.from({ length: horizon }, (_, step) => level + drift * (step + behind))
    return withSeason(means, found, values.length)
  },
})

/** Of the line of least squares, for each step. */
function slopeOf(values: Float64Array): number {
  const middle = (values.length - 1) / 2
  let [products, squares] = [0, 0]
  for (let i = 0; i < values.length; i++) {
    products += (i - middle) * values[i]!
    squares += (i - middle) ** 2
  }
  return products / squares
}
