import { medianSorted, quantileSorted } from 'simple-statistics'
import * as v from 'valibot'
import { DataError } from '../../base/errors.ts'
import type { Series, SeriesFrame } from '../../data/index.ts'

const finite = v.pipe(v.number(), v.finite())
const scaleSchema = v.strictObject({ center: finite, spread: v.pipe(finite, v.gtValue(0)) })

/** A value is scaled to (value − center) / spread. */
export type Scale = v.InferOutput<typeof scaleSchema>

export type Scaler = 'standard' | 'robust' | 'none'

/** What was learnt of the ranges of values: of each series by id, of each covariate and number that never changes by name. */
export const scalingSchema = v.strictObject({
  series: v.record(v.string(), scaleSchema),
  covariates: v.record(v.string(), scaleSchema),
  /** Words that stand for what never changes, by name. */
  words: v.record(v.string(), v.array(v.string())),
})

export type Scaling = v.InferOutput<typeof scalingSchema>

/** Mean and deviation, or median and the range of the middle half; spread 1 where all values are the same. */
export function scaleOf(values: ArrayLike<number>, scaler: Scaler): Scale {
  if (scaler === 'none') return { center: 0, spread: 1 }
  const { center, spread } = scaler === 'standard' ? standard(values) : robust(values)
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
  const pooled = new Map<string, number[]>()
  const pool = (name: string, values: Iterable<number>) => {
    const known = pooled.get(name) ?? []
    for (const value of values) known.push(value)
    pooled.set(name, known)
  }
  const words: Record<string, string[]> = {}
  for (const each of series) {
    for (const [name, values] of covariatesOf(each)) pool(name, values.subarray(0, each.values.length))
    for (const [name, value] of Object.entries(each.static)) {
      if (typeof value === 'number') pool(name, [value])
      else words[name] = [...new Set([...(words[name] ?? []), value])].sort()
    }
  }
  return {
    series: Object.fromEntries(series.map(({ id, values }) => [id, scaleOf(values, scaler)])),
    covariates: Object.fromEntries(Array.from(pooled, ([name, values]) => [name, scaleOf(values, 'standard')])),
    words,
  }
}

function covariatesOf({ past, future }: Series): [string, Float64Array][] {
  return [...Object.entries(past), ...Object.entries(future)]
}

/** Of a series that was learnt from, what was learnt; of any other, that of its own values. */
export function scaleOfSeries({ series }: Scaling, { id, values }: Series, scaler: Scaler): Scale {
  return (Object.hasOwn(series, id) ? series[id] : undefined) ?? scaleOf(values, scaler)
}

/** Numbers for what never changes of a series: one for each number, one for each word that was learnt. Throws DataError on words that were not. */
export function staticNumbers({ covariates, words }: Scaling, series: Series): number[] {
  const numbers = Object.keys(covariates).filter((name) => Object.hasOwn(series.static, name))
  const ofNumber = (name: string) => ((series.static[name] as number) - covariates[name]!.center) / covariates[name]!.spread
  return [
    ...numbers.sort().map(ofNumber),
    ...Object.keys(words)
      .sort()
      .flatMap((name) => ofWord(name, words[name]!, series)),
  ]
}

function ofWord(name: string, known: readonly string[], series: Series): number[] {
  const word = series.static[name]
  if (!known.includes(String(word)))
    throw new DataError(`series '${series.id}' has the ${name} '${word}'`, { expected: `one that was learnt: ${known.join(', ')}` })
  return known.map((each) => Number(each === word))
}
