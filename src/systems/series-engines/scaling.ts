import { medianSorted, quantileSorted } from 'simple-statistics'
import * as v from 'valibot'
import { DataError } from '../../base/errors.ts'
import type { Series, SeriesFrame } from '../../data/index.ts'

const finite = v.pipe(v.number(), v.finite())
const scaleSchema = v.strictObject({ center: finite, spread: v.pipe(finite, v.gtValue(0)) })

/** A value is scaled to (value − center) / spread. */
export type Scale = v.InferOutput<typeof scaleSchema>

export type Scaler = 'standard' | 'robust' | 'none'

/** What was learnt of the ranges of values: of each series by id, of each covariate by name. */
export const scalingSchema = v.strictObject({
  series: v.record(v.string(), scaleSchema),
  past: v.record(v.string(), scaleSchema),
  future: v.record(v.string(), scaleSchema),
  /** Of numbers that never change. */
  numbers: v.record(v.string(), scaleSchema),
  /** Words that stand for what never changes, by name. */
  words: v.record(v.string(), v.array(v.string())),
})

export type Scaling = v.InferOutput<typeof scalingSchema>

/** Mean and deviation, or median and the range of the middle half; spread 1 where all values are the same. Throws DataError on sums beyond doubles. */
export function scaleOf(values: ArrayLike<number>, scaler: Scaler): Scale {
  if (scaler === 'none') return { center: 0, spread: 1 }
  const { center, spread } = scaler === 'standard' ? standard(values) : robust(values)
  if (!Number.isFinite(center + spread))
    throw new DataError('values too large to be scaled', { expected: 'squares below 1e308', fix: 'give them in a larger unit' })
  // What is left of a constant by rounding is no spread.
  return { center, spread: spread > 1e-12 * Math.abs(center) ? spread : 1 }
}

function standard(values: ArrayLike<number>): Scale {
  let [sum, squares] = [0, 0]
  for (let i = 0; i < values.length; i++) sum += values[i]!
  const center = sum / values.length
  for (let i = 0; i < values.length; i++) squares += (values[i]! - center) ** 2
  return { center, spread: Math.sqrt(squares / values.length) }
}

function robust(values: ArrayLike<number>): Scale {
  const sorted = Array.from(values).sort((a, b) => a - b)
  return { center: medianSorted(sorted), spread: quantileSorted(sorted, 0.75) - quantileSorted(sorted, 0.25) }
}

/** Of series that are to be learnt from; nothing else may be among them. */
export function scalingOf({ series }: SeriesFrame, scaler: Scaler): Scaling {
  const known = (kind: 'past' | 'future') => (each: Series) =>
    Object.entries(each[kind]).map(([name, values]) => [name, values.subarray(0, each.values.length)] as const)
  const constants = series.map((each) => Object.entries(each.static))
  const numbers = constants.map((all) =>
    all.flatMap(([name, value]) => (typeof value === 'number' ? [[name, [value]] as const] : [])),
  )
  const words = pooled(
    constants.map((all) => all.flatMap(([name, value]) => (typeof value === 'string' ? [[name, [value]] as const] : []))),
  )
  return {
    series: Object.fromEntries(series.map(({ id, values }) => [id, scaleOf(values, scaler)])),
    past: scalesOf(pooled(series.map(known('past')))),
    future: scalesOf(pooled(series.map(known('future')))),
    numbers: scalesOf(pooled(numbers)),
    words: Object.fromEntries(Array.from(words, ([name, all]) => [name, [...new Set(all)].sort()])),
  }
}

/** What all series say under each name. */
function pooled<T>(all: readonly (readonly (readonly [string, Iterable<T>])[])[]): Map<string, T[]> {
  const pools = new Map<string, T[]>()
  for (const [name, values] of all.flat()) {
    const pool = pools.get(name) ?? []
    for (const value of values) pool.push(value)
    pools.set(name, pool)
  }
  return pools
}

function scalesOf(pools: ReadonlyMap<string, readonly number[]>): Record<string, Scale> {
  return Object.fromEntries(Array.from(pools, ([name, values]) => [name, scaleOf(values, 'standard')]))
}

/** Throws DataError unless a series has the covariates that were learnt from, and no other. */
export function checkCovariates(series: Series, scaling: Scaling): void {
  const constants = Object.entries(series.static)
  const named = (type: 'number' | 'string') => constants.filter(([, value]) => typeof value === type).map(([name]) => name)
  for (const [kind, names, learnt] of [
    ['past covariate', Object.keys(series.past), scaling.past],
    ['future covariate', Object.keys(series.future), scaling.future],
    ['static number', named('number'), scaling.numbers],
    ['static word', named('string'), scaling.words],
  ] as const) {
    const missing = Object.keys(learnt).find((name) => !names.includes(name))
    if (missing !== undefined)
      throw new DataError(`series '${series.id}' lacks the ${kind} '${missing}'`, {
        expected: 'the same covariates for all series',
      })
    const unknown = names.find((name) => !Object.hasOwn(learnt, name))
    if (unknown !== undefined)
      throw new DataError(`series '${series.id}' has the ${kind} '${unknown}', of which nothing was learnt`, {
        expected: 'the same covariates for all series',
      })
  }
}

/** Of a series that was learnt from, what was learnt; of any other, that of its own values. */
export function scaleOfSeries({ series }: Scaling, { id, values }: Series, scaler: Scaler): Scale {
  return (Object.hasOwn(series, id) ? series[id] : undefined) ?? scaleOf(values, scaler)
}

/** How many numbers stand for what never changes of a series. */
export function staticCount({ numbers, words }: Scaling): number {
  return Object.keys(numbers).length + Object.values(words).reduce((sum, known) => sum + known.length, 0)
}

/** Numbers for what never changes of a series: one for each number, one for each word that was learnt. Throws DataError on words that were not. */
export function staticNumbers({ numbers, words }: Scaling, series: Series): number[] {
  return [
    ...Object.keys(numbers)
      .sort()
      .map((name) => ofNumber(name, numbers[name]!, series)),
    ...Object.keys(words)
      .sort()
      .flatMap((name) => ofWord(name, words[name]!, series)),
  ]
}

function ofNumber(name: string, { center, spread }: Scale, series: Series): number {
  const value = series.static[name] as number
  if (!Number.isFinite(value)) throw new DataError(`series '${series.id}' has the ${name} ${value}`, { expected: 'a number' })
  return (value - center) / spread
}

function ofWord(name: string, known: readonly string[], series: Series): number[] {
  const word = series.static[name]
  if (!known.includes(String(word)))
    throw new DataError(`series '${series.id}' has the ${name} '${word}'`, { expected: `one that was learnt: ${known.join(', ')}` })
  return known.map((each) => Number(each === word))
}
