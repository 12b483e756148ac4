import { quantileSorted } from 'simple-statistics'
import { DataError } from '../../base/errors.ts'
import { createRng } from '../../base/rng.ts'
import type { SeriesFrame } from '../../data/index.ts'
import { drawnFrom, type ForecastHead } from '../../heads/index.ts'
import type { Prediction, PredictRequest } from '../forecaster-system.ts'
import type { FittedParts } from './fitted-network.ts'
import { seesTogether } from './neural-definition.ts'
import { headOf } from './neural-options.ts'
import { type WindowSource, windowSources } from './sources.ts'
import type { Said, WindowRunner } from './window-runner.ts'
import { checkReach } from './window-sizes.ts'

/** What comes after each history. Throws DataError on series that are not there, or do not stand side by side where they must. */
export async function predictWindows<Own>(
  parts: FittedParts<Own>,
  runner: WindowRunner,
  request: PredictRequest,
): Promise<Prediction[][]> {
  const { definition, options, scaling, scaler, sizes } = parts
  const { histories, horizon, quantiles, signal } = request
  const together = seesTogether(definition, options)
  const { calendar } = definition.uses
  checkReach(definition, sizes, horizon)
  const room = definition.reach === 'open' ? horizon : Math.ceil(horizon / sizes.horizon) * sizes.horizon
  const settings = { together, calendar, scaling, scaler, last: sizes.inputSize, ahead: horizon, room }
  const sources = histories.map((history) => windowSources(together ? arranged(parts, history) : history, settings))
  const all = sources.flat()
  const said = await runner.say(all, horizon, { signal })
  const head = headOf(options)
  const draws = await drawnPaths(parts, runner, all, request)
  let next = 0
  const predicted = (source: WindowSource) => {
    const at = next++
    return predictionsOf(source, said[at]!, { head, horizon, quantiles, paths: draws?.[at], asked: request.paths?.count ?? 0 })
  }
  return histories.map(({ series }, i) => {
    const found = new Map(sources[i]!.flatMap(predicted))
    return series.map(({ id }) => found.get(id)!)
  })
}

/** Paths from which quantiles are read, where none are asked for. */
const usualPaths = 200

/**
 * Ways that each source may take, each step drawn given those before: what was asked for, and what tells the spread of steps that a network says from its own
 * forecasts. Undefined where neither is needed.
 */
async function drawnPaths<Own>(
  { definition, options, request, sizes }: FittedParts<Own>,
  runner: WindowRunner,
  sources: readonly WindowSource[],
  { horizon, paths, quantiles, signal }: PredictRequest,
): Promise<Float32Array[][] | undefined> {
  const head = headOf(options)
  const beyond = definition.reach === 'rolled' && horizon > sizes.horizon && head.probabilistic && quantiles.length > 0
  if (paths === undefined && !beyond) return undefined
  const { count, seed } = paths ?? { count: usualPaths, seed: request.seed }
  const rng = createRng(seed)
  const streams = sources.flatMap(({ ids }) => Array.from({ length: count }, (_, path) => rng.fold(ids.join(' ')).fold(path)))
  const repeated = sources.flatMap((source) => Array.from({ length: count }, () => source))
  const choose = (parameters: Float64Array, source: number, at: number) =>
    drawnFrom(head, parameters, streams[source]!.uniformAt(at))
  const said = await runner.say(repeated, horizon, { choose, signal })
  return sources.map((_, i) => said.slice(i * count, (i + 1) * count).map(({ values }) => values))
}

/** Series in the order of those that were learnt from, others after them. Throws DataError where the network needs these and they are not there. */
function arranged<Own>({ definition, ids }: FittedParts<Own>, history: SeriesFrame): SeriesFrame {
  const byId = new Map(history.series.map((series) => [series.id, series]))
  const known = ids.flatMap((id) => byId.get(id) ?? [])
  const others = history.series.filter(({ id }) => !ids.includes(id))
  if ((known.length === ids.length && others.length === 0) || definition.anyVariates === true)
    return { ...history, series: [...known, ...others] }
  const missing = ids.find((id) => !byId.has(id))
  throw new DataError(`a history of ${history.series.length} series${missing === undefined ? '' : `, without '${missing}'`}`, {
    expected: `the ${ids.length} that '${definition.id}' was fitted to, as all stand in one window`,
  })
}

interface Asked {
  readonly head: ForecastHead
  readonly horizon: number
  readonly quantiles: readonly number[]
  /** Each `[horizon, variate]`. */
  readonly paths: readonly Float32Array[] | undefined
  /** How many of them are given back. */
  readonly asked: number
}

function predictionsOf(source: WindowSource, { parameters, components }: Said, asked: Asked): [string, Prediction][] {
  const { head, horizon } = asked
  const variates = source.ids.length
  return source.ids.map((id, variate) => {
    const { center, spread } = source.scales[variate]!
    const steps = Array.from({ length: horizon }, (_, step) => {
      const at = (step * variates + variate) * head.outputs
      return head.unscaled(Float64Array.from(parameters.subarray(at, at + head.outputs)), center, spread)
    })
    const paths = asked.paths?.map((path) =>
      Float64Array.from({ length: horizon }, (_, step) => path[step * variates + variate]! * spread + center),
    )
    const prediction: Prediction = {
      mean: Float64Array.from(steps, (step) => head.mean(step)),
      ...(head.probabilistic && { quantiles: quantilesOf(steps, paths, asked) }),
      ...(paths !== undefined && asked.asked > 0 && { paths: paths.slice(0, asked.asked) }),
      ...(head.linear &&
        Object.keys(components).length > 0 && { components: componentsOf(components, { variate, variates, center, spread }) }),
    }
    return [id, prediction]
  })
}

/** Of each step's distribution, or of paths where steps are said from steps before them. */
function quantilesOf(steps: readonly Float64Array[], paths: readonly Float64Array[] | undefined, { head, quantiles }: Asked) {
  const sorted = paths && steps.map((_, step) => paths.map((path) => path[step]!).sort((a, b) => a - b))
  const ofStep = (share: number, step: number) =>
    sorted === undefined ? head.quantile(steps[step]!, share) : quantileSorted(sorted[step]!, share)
  return new Map(quantiles.map((share) => [share, Float64Array.from(steps, (_, step) => ofStep(share, step))]))
}

interface ComponentPlace {
  readonly variate: number
  readonly variates: number
  readonly center: number
  readonly spread: number
}

/** The first component carries the level. */
function componentsOf(components: Said['components'], { variate, variates, center, spread }: ComponentPlace) {
  return Object.fromEntries(
    Object.entries(components).map(([name, values], i) => [
      name,
      Float64Array.from({ length: values.length / variates }, (_, step) => {
        const value = values[step * variates + variate]! * spread
        return i === 0 ? value + center : value
      }),
    ]),
  )
}
