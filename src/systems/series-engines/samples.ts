import type { SeriesSizes } from './series-network.ts'
import type { WindowSource } from './sources.ts'

/** Rows of windows, as programs take them. */
export interface WindowRows {
  /** `[batch, rows, variate]`. */
  readonly values: Float32Array
  /** `[batch, input + horizon, mark]`. */
  readonly marks: Float32Array
  /** `[batch, input, covariate]`. */
  readonly covariates: Float32Array
}

/** Windows of sources, numbered. */
export interface Samples {
  readonly count: number
  /** Values of the input and the horizon, of the windows of these numbers. */
  rows(indices: ArrayLike<number>): WindowRows
}

/**
 * All windows whose targets lie from value `from` to value `to` of each source, both counted from the source's end (0: its end; `from` undefined: its
 * beginning). Inputs may begin before.
 */
export function samplesOf(
  sources: readonly WindowSource[],
  sizes: Pick<SeriesSizes, 'inputSize' | 'horizon' | 'variates' | 'marks' | 'covariates'>,
  { from, to }: { readonly from?: number; readonly to: number },
): Samples {
  const { inputSize, horizon } = sizes
  const first = sources.map(({ length }) => Math.max(0, (from === undefined ? inputSize : length - from) - inputSize))
  const counts = sources.map(({ length }, i) => Math.max(0, length - to - horizon - inputSize - first[i]! + 1))
  const ends: number[] = []
  for (const count of counts) ends.push((ends.at(-1) ?? 0) + count)
  const locate = (index: number): [WindowSource, number] => {
    const source = lowerBound(ends, index)
    return [sources[source]!, first[source]! + index - (ends[source]! - counts[source]!)]
  }
  return { count: ends.at(-1) ?? 0, rows: (indices) => rowsOf(Array.from(indices, locate), sizes, inputSize + horizon) }
}

/** The first entry above a number. */
function lowerBound(ends: readonly number[], index: number): number {
  let [low, high] = [0, ends.length - 1]
  while (low < high) {
    const middle = (low + high) >> 1
    if (ends[middle]! > index) high = middle
    else low = middle + 1
  }
  return low
}

/** Windows that begin at given values. */
export function rowsOf(
  places: readonly (readonly [WindowSource, number])[],
  sizes: Pick<SeriesSizes, 'inputSize' | 'horizon' | 'variates' | 'marks' | 'covariates'>,
  length: number,
): WindowRows {
  const { inputSize, horizon, variates, marks, covariates } = sizes
  const taken = (pick: (source: WindowSource) => Float32Array, rows: number, columns: number) => {
    const all = new Float32Array(places.length * rows * columns)
    for (const [i, [source, start]] of places.entries())
      all.set(pick(source).subarray(start * columns, (start + rows) * columns), i * rows * columns)
    return all
  }
  return {
    values: taken((source) => source.values, length, variates),
    marks: taken((source) => source.marks, inputSize + horizon, marks),
    covariates: taken((source) => source.covariates, inputSize, covariates),
  }
}
