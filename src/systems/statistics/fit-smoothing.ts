import { type SmoothingModel, type SmoothingState, type SmoothingWeights, smooth } from './exponential-smoothing.ts'
import { nelderMead } from './nelder-mead.ts'
import { seasonalIndices } from './seasonal-indices.ts'

/** A model of exponential smoothing with what was estimated of it. */
export interface FittedSmoothing {
  readonly model: SmoothingModel
  readonly weights: SmoothingWeights
  /** Before the first value. */
  readonly initial: SmoothingState
  /** Of errors one step ahead, relative ones for multiplicative errors; over the degrees of freedom. */
  readonly variance: number
  /** −2 ln L, up to what all models of one series share. */
  readonly deviance: number
  /** Akaike's criterion, corrected for few values. Hurvich & Tsai 1989. */
  readonly aicc: number
}

/** Models whose parameters a series of some length can tell, the simplest first. Positive values may have multiplicative parts. */
export function smoothingModels(values: Float64Array, period: number): readonly SmoothingModel[] {
  const positive = values.every((value) => value > 0)
  const seasonal = period > 1 && values.length > 2 * period
  const models: SmoothingModel[] = []
  for (const season of seasonal ? (['none', 'additive', 'multiplicative'] as const) : (['none'] as const))
    for (const trend of ['none', 'additive', 'damped'] as const)
      for (const error of ['additive', 'multiplicative'] as const)
        models.push({ error, trend, season, period: season === 'none' ? 1 : period })
  return models.filter(
    (model) =>
      (positive || (model.error === 'additive' && model.season !== 'multiplicative')) &&
      // Additive errors on a multiplicative season divide by states near 0: Hyndman & Athanasopoulos, section 8.6.
      !(model.error === 'additive' && model.season === 'multiplicative') &&
      values.length > parameterCount(model) + 1,
  )
}

/** Weights, initial states (those of a season have a known sum) and the variance. */
function parameterCount({ trend, season, period }: SmoothingModel): number {
  return 3 + (trend === 'none' ? 0 : trend === 'damped' ? 3 : 2) + (season === 'none' ? 0 : period)
}

/** The initial states of longer seasons are taken from the decomposition as they are. */
const longestEstimatedSeason = 12

interface SearchOptions {
  /** Known ones, so that only the initial states are looked for. */
  readonly weights?: SmoothingWeights
  /** Whether the season that a series begins with is taken from the decomposition as it is. */
  readonly knownSeason?: boolean
}

/** The weights and initial states of a model under which a series is likeliest. */
export function fitSmoothing(
  model: SmoothingModel,
  values: Float64Array,
  { weights, knownSeason = model.period > longestEstimatedSeason }: SearchOptions = {},
): FittedSmoothing {
  const heuristic = heuristicState(model, values)
  const space = parameterSpace(model, heuristic, { noise: noiseOf(values), weights, knownSeason })
  const floor = 1e-20 * values.reduce((sum, value) => sum + value ** 2, Number.MIN_VALUE * 1e30)
  const devianceAt = (at: Float64Array) => {
    const { squares, logs } = smooth(model, space.weights(at), space.initial(at), values)
    const least = model.error === 'additive' ? floor : 1e-20 * values.length
    return values.length * Math.log(Math.max(squares, least)) + 2 * logs
  }
  const starts = space.starts.map((at) => ({ at, value: devianceAt(at) }))
  const start = starts.reduce((a, b) => (b.value < a.value ? b : a))
  const options = { steps: space.steps, evaluations: 120 * (space.steps.length + 2), tolerance: 1e-6 }
  const { at, value } = space.steps.length === 0 ? start : nelderMead(devianceAt, start.at, options)
  return judged(model, values, { weights: space.weights(at), initial: space.initial(at), deviance: value })
}

function judged(
  model: SmoothingModel,
  values: Float64Array,
  found: { readonly weights: SmoothingWeights; readonly initial: SmoothingState; readonly deviance: number },
): FittedSmoothing {
  const [length, count] = [values.length, parameterCount(model)]
  const { squares } = smooth(model, found.weights, found.initial, values)
  const aicc = found.deviance + 2 * count + (2 * count * (count + 1)) / Math.max(1, length - count - 1)
  return { model, ...found, variance: squares / Math.max(1, length - count + 1), aicc }
}

/** Models that are looked at twice. */
const finalists = 4

/**
 * The likeliest model by Akaike's corrected criterion; the simpler one where two are as good. The season that a series begins with is estimated only for
 * models that are among the likeliest without. Undefined where no model is left.
 */
export function bestSmoothing(models: readonly SmoothingModel[], values: Float64Array): FittedSmoothing | undefined {
  const best = (fits: readonly FittedSmoothing[]) =>
    fits.filter(({ aicc }) => Number.isFinite(aicc)).sort((a, b) => a.aicc - b.aicc)
  const first = best(models.map((model) => fitSmoothing(model, values, { knownSeason: true }))).slice(0, finalists)
  const final = first.map((fit) =>
    fit.model.period > 1 && fit.model.period <= longestEstimatedSeason ? fitSmoothing(fit.model, values) : fit,
  )
  const [likeliest] = best(final)
  return models
    .map((model) => final.find((fit) => fit.model === model && fit.aicc <= likeliest!.aicc + 1e-6))
    .find((fit) => fit !== undefined)
}

/** States that a search begins with: the season of a classical decomposition, and the line through the first values without it. */
function heuristicState({ season, trend, period }: SmoothingModel, values: Float64Array): SmoothingState {
  const indices = season === 'none' ? new Float64Array(0) : seasonalIndices(values, period, season)
  const count = Math.min(values.length, Math.max(10, 2 * period))
  const adjusted = values.subarray(0, count).map((value, i) => {
    if (season === 'none') return value
    return season === 'additive' ? value - indices[i % period]! : value / Math.max(indices[i % period]!, 1e-2)
  })
  const mean = adjusted.reduce((sum, value) => sum + value, 0) / count
  if (trend === 'none') return { level: mean, slope: 0, season: indices }
  const middle = (count - 1) / 2
  const products = adjusted.reduce((sum, value, i) => sum + (i - middle) * (value - mean), 0)
  const slope = products / ((count * (count ** 2 - 1)) / 12)
  return { level: mean - slope * (middle + 1), slope, season: indices }
}

/** Mean absolute step of a series; 1 of a constant one. */
function noiseOf(values: Float64Array): number {
  let sum = 0
  for (let i = 1; i < values.length; i++) sum += Math.abs(values[i]! - values[i - 1]!)
  return sum / (values.length - 1) || 1
}

/** Points of a search: weights as shares of what their bounds leave, then initial states. */
interface ParameterSpace {
  readonly steps: readonly number[]
  readonly starts: readonly Float64Array[]
  weights(at: Float64Array): SmoothingWeights
  initial(at: Float64Array): SmoothingState
}

const [leastShare, mostShare] = [1e-4, 0.9999]
const [leastDamping, mostDamping] = [0.8, 0.98]

function parameterSpace(
  model: SmoothingModel,
  heuristic: SmoothingState,
  {
    noise,
    weights: known,
    knownSeason,
  }: { readonly noise: number; readonly weights: SmoothingWeights | undefined; readonly knownSeason: boolean },
): ParameterSpace {
  const [sloped, damped, seasonal] = [model.trend !== 'none', model.trend === 'damped', model.season !== 'none']
  const shares = known !== undefined ? [] : [[0.05, 0.3, 0.7], ...(sloped ? [[0.02, 0.3]] : []), ...(seasonal ? [[0.02, 0.3]] : [])]
  const searched = seasonal && !knownSeason ? model.period - 1 : 0
  const inSeason = model.season === 'multiplicative' ? 0.05 : 0.5
  const first = shares.length + (damped && known === undefined ? 1 : 0)
  const seasonFrom = first + (sloped ? 2 : 1)
  const states = [heuristic.level / noise, ...(sloped ? [heuristic.slope / noise] : [])]
  const inUnits = heuristic.season.map((index) => (model.season === 'multiplicative' ? index : index / noise))
  const starts = combinations(shares).map((point) =>
    Float64Array.from([...point, ...(first > shares.length ? [0.95] : []), ...states, ...inUnits.subarray(0, searched)]),
  )
  const share = (value: number) => Math.min(mostShare, Math.max(leastShare, value))
  return {
    starts,
    steps: [
      ...shares.map(() => 0.1),
      ...(first > shares.length ? [0.04] : []),
      0.5,
      ...(sloped ? [0.1] : []),
      ...new Array<number>(searched).fill(inSeason),
    ],
    weights(at) {
      if (known !== undefined) return known
      const level = share(at[0]!)
      const slope = sloped ? level * share(at[1]!) : 0
      const season = seasonal ? (1 - level) * share(at[sloped ? 2 : 1]!) : 0
      const damping = damped ? Math.min(mostDamping, Math.max(leastDamping, at[shares.length]!)) : sloped ? 1 : 0
      return { level, slope, season, damping }
    },
    initial(at) {
      const season = heuristic.season.slice()
      if (searched > 0) {
        let rest = model.season === 'multiplicative' ? model.period : 0
        for (let i = 0; i < searched; i++) {
          season[i] = at[seasonFrom + i]! * (model.season === 'multiplicative' ? 1 : noise)
          rest -= season[i]!
        }
        season[searched] = rest
      }
      return { level: at[first]! * noise, slope: sloped ? at[first + 1]! * noise : 0, season }
    },
  }
}

/** Each choice of one of each list. */
function combinations(lists: readonly (readonly number[])[]): number[][] {
  return lists.reduce<number[][]>((points, list) => points.flatMap((point) => list.map((value) => [...point, value])), [[]])
}
