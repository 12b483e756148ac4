import { DataError } from '../../base/errors.ts'
import { type Frequency, stampAfter } from './frequency.ts'

/** One series on a regular grid of stamps. */
export interface Series {
  readonly id: string
  /** Stamp of the first value: milliseconds since 1970, or a number for the frequency `step`. */
  readonly start: number
  /** NaN where a value is missing, which only `fill: 'keep'` leaves so. */
  readonly values: Float64Array
  /** Known up to the last value, one array a name, as long as `values`. */
  readonly past: Readonly<Record<string, Float64Array>>
  /** Known beyond: at least as long as `values`. */
  readonly future: Readonly<Record<string, Float64Array>>
  readonly static: Readonly<Record<string, string | number>>
}

/** Series of one frequency. */
export interface SeriesFrame {
  readonly frequency: Frequency
  /** IANA name of the time zone whose calendar counts. */
  readonly zone: string
  readonly series: readonly Series[]
}

/** The stamp of a value, `index` steps after the first one; beyond the last value, of what is to come. */
export function stampAt(
  { frequency, zone }: Pick<SeriesFrame, 'frequency' | 'zone'>,
  { start }: Pick<Series, 'start'>,
  index: number,
): number {
  return stampAfter(frequency, zone, start, index)
}

/** The series without its last `count` values: what a forecast from there may see. Future covariates stay as they are. Throws DataError when nothing is left. */
export function withoutLast(series: Series, count: number): Series {
  const length = series.values.length - count
  if (length < 1)
    throw new DataError(`series '${series.id}' has ${series.values.length} values`, { expected: `more than ${count}` })
  return {
    ...series,
    values: series.values.subarray(0, length),
    past: Object.fromEntries(Object.entries(series.past).map(([name, values]) => [name, values.subarray(0, length)])),
  }
}

/** All series of a frame without their last `count` values. Throws DataError when nothing is left of one. */
export function frameWithoutLast(frame: SeriesFrame, count: number): SeriesFrame {
  return { ...frame, series: frame.series.map((series) => withoutLast(series, count)) }
}
