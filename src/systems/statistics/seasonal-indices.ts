/** What recurs with every season, added to the rest of a series or multiplied with it. */
export interface SeasonalIndices {
  readonly kind: 'additive' | 'multiplicative'
  /** `[season]`: of the first value of a series, the second, …; their mean is 0, or 1. */
  readonly indices: Float64Array
}

/** Seasonal indices below this would blow up what is divided by them. */
const leastIndex = 1e-4

/**
 * The season of a series where it has one: multiplicative for positive values and additive for others. Undefined where the series has not more than two
 * seasons, or its autocorrelation a season apart is not significant at 10 % (two-sided, by Bartlett's formula), as in the Theta method's entry to the M3
 * competition: Assimakopoulos & Nikolopoulos 2000.
 */
export function findSeason(values: Float64Array, season: number): SeasonalIndices | undefined {
  if (season < 2 || values.length <= 2 * season || !isSeasonal(values, season)) return undefined
  if (values.every((value) => value > 0)) {
    const indices = seasonalIndices(values, season, 'multiplicative')
    if (indices.every((index) => index >= leastIndex)) return { kind: 'multiplicative', indices }
  }
  return { kind: 'additive', indices: seasonalIndices(values, season, 'additive') }
}

/** Quantile 0.95 of the normal distribution. */
const significant = 1.6448536269514722

function isSeasonal(values: Float64Array, season: number): boolean {
  const correlations = Array.from({ length: season }, (_, lag) => autocorrelation(values, lag + 1))
  const last = correlations.pop()!
  const variance = (1 + 2 * correlations.reduce((sum, each) => sum + each ** 2, 0)) / values.length
  return Math.abs(last) / Math.sqrt(variance) > significant
}

/** NaN of a constant series. */
function autocorrelation(values: Float64Array, lag: number): number {
  const mean = meanOf(values)
  let [products, squares] = [0, 0]
  for (let i = 0; i < values.length; i++) {
    squares += (values[i]! - mean) ** 2
    if (i >= lag) products += (values[i]! - mean) * (values[i - lag]! - mean)
  }
  return squares <= 1e-24 * mean ** 2 * values.length ? Number.NaN : products / squares
}

/**
 * Classical decomposition: the mean deviation of each position of the season from a centred moving average, a season wide. `[season]`. Hyndman &
 * Athanasopoulos, Forecasting: Principles and Practice, section 3.4. Needs two seasons.
 */
export function seasonalIndices(values: Float64Array, season: number, kind: SeasonalIndices['kind']): Float64Array {
  const [sums, counts] = [new Float64Array(season), new Float64Array(season)]
  const half = Math.floor(season / 2)
  for (let i = half; i < values.length - half; i++) {
    const trend = centredMean(values, i, season)
    const position = i % season
    sums[position]! += kind === 'additive' ? values[i]! - trend : values[i]! / trend
    counts[position]! += 1
  }
  const indices = sums.map((sum, position) => sum / counts[position]!)
  const mean = meanOf(indices)
  return indices.map((index) => (kind === 'additive' ? index - mean : index / mean))
}

/** Where a season is even, the two outermost values count half. */
function centredMean(values: Float64Array, centre: number, season: number): number {
  const half = Math.floor(season / 2)
  let sum = 0
  for (let i = centre - half; i <= centre + half; i++) sum += values[i]!
  if (season % 2 === 0) sum -= (values[centre - half]! + values[centre + half]!) / 2
  return sum / season
}

function meanOf(values: Float64Array): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length
}

/** The series without its season. */
export function withoutSeason(values: Float64Array, found: SeasonalIndices | undefined): Float64Array {
  if (found === undefined) return values
  const { kind, indices } = found
  const index = (i: number) => indices[i % indices.length]!
  return values.map((value, i) => (kind === 'additive' ? value - index(i) : value / index(i)))
}

/** What comes from the value `from` on, with its season. */
export function withSeason(values: Float64Array, found: SeasonalIndices | undefined, from: number): Float64Array {
  if (found === undefined) return values
  const { kind, indices } = found
  const index = (i: number) => indices[(from + i) % indices.length]!
  return values.map((value, i) => (kind === 'additive' ? value + index(i) : value * index(i)))
}
