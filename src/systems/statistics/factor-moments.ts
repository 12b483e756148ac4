import type { SmoothingState, SmoothingWeights } from './exponential-smoothing.ts'

/**
 * Means and variances of what is to come of a trend times a season, whose factors take up the same errors as the trend; errors are relative and normal. For
 * each position of the season, the means of the states (level, slope) times that position's factor, and of their products, are carried on step by step.
 */
export function factorMoments(
  weights: SmoothingWeights,
  state: SmoothingState,
  horizon: number,
  variance: number,
): { readonly mean: Float64Array; readonly variance: Float64Array } {
  const [mean, variances] = [new Float64Array(horizon), new Float64Array(horizon)]
  const period = state.season.length
  for (let position = 0; position < Math.min(period, horizon); position++) {
    const moments = new FactorMoments(weights, state, state.season[position]!)
    for (let step = 0; step < horizon; step++) {
      const used = step % period === position
      if (used) {
        const [first, second] = moments.ofForecast()
        mean[step] = first
        variances[step] = Math.max(0, second * (1 + variance) - first ** 2)
      }
      moments.step(variance, used ? weights.season : 0)
    }
  }
  return { mean, variance: variances }
}

/** Means of x·s and of x·xᵀ·s², for x = (level, slope) and s a factor of the season. */
class FactorMoments {
  readonly #weights: SmoothingWeights
  #level: number
  #slope: number
  #levels: number
  #both: number
  #slopes: number

  constructor(weights: SmoothingWeights, { level, slope }: SmoothingState, factor: number) {
    this.#weights = weights
    this.#level = level * factor
    this.#slope = slope * factor
    this.#levels = this.#level ** 2
    this.#both = this.#level * this.#slope
    this.#slopes = this.#slope ** 2
  }

  /** First and second moment of (level + φ·slope)·s. */
  ofForecast(): [number, number] {
    const { damping } = this.#weights
    return [this.#level + damping * this.#slope, this.#levels + 2 * damping * this.#both + damping ** 2 * this.#slopes]
  }

  /** With an error ε, x becomes F·x + ε·g·q, where q is the forecast of the trend and g = (α, β), and s becomes (1 + γε)·s; the fourth moment of ε is 3σ⁴. */
  step(variance: number, season: number): void {
    const { level: alpha, slope: beta, damping } = this.#weights
    const [first, second] = this.ofForecast()
    // Means of q times the slope, and of the states after F: level q, slope φ·slope.
    const withSlope = damping * (this.#both + damping * this.#slopes)
    const slopes = damping ** 2 * this.#slopes
    const kept = 1 + season ** 2 * variance
    const crossed = 2 * season * variance
    const squared = variance + 3 * season ** 2 * variance ** 2
    this.#level = first * (1 + season * variance * alpha)
    this.#slope = damping * this.#slope + season * variance * beta * first
    this.#levels = kept * second + crossed * 2 * alpha * second + squared * alpha ** 2 * second
    this.#both = kept * withSlope + crossed * (alpha * withSlope + beta * second) + squared * alpha * beta * second
    this.#slopes = kept * slopes + crossed * 2 * beta * withSlope + squared * beta ** 2 * second
  }
}
