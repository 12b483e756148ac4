import { DataError } from '../../base/errors.ts'
import { calendarFeatureNames, calendarFeatures, type Series, type SeriesFrame } from '../../data/index.ts'
import { checkCovariates, type Scale, type Scaler, type Scaling, scaleOfSeries, staticNumbers } from './scaling.ts'

/** Scaled values and what is known beside them, from which windows are cut: one series, or several over the same stamps. */
export interface WindowSource {
  readonly ids: readonly string[]
  readonly scales: readonly Scale[]
  readonly length: number
  /** `[length, variate]`. */
  readonly values: Float32Array
  /** `[length + room, mark]`. */
  readonly marks: Float32Array
  /** length + room. */
  readonly markRows: number
  /** `[length, covariate]`. */
  readonly covariates: Float32Array
}

export interface SourceOptions {
  /** Whether all series stand in one window. */
  readonly together: boolean
  readonly calendar: boolean
  readonly scaling: Scaling
  readonly scaler: Scaler
  /** Only the last so many values. */
  readonly last?: number
  /** Steps after the last value whose future covariates must be known. */
  readonly ahead: number
  /** Steps after the last value that have marks, as many or more: where covariates are not known, they stay as they were. */
  readonly room: number
}

/** Throws DataError on series that should share their stamps and covariates and do not, on covariates that were not learnt from, and on those that are not numbers. */
export function windowSources(frame: SeriesFrame, options: SourceOptions): readonly WindowSource[] {
  for (const series of frame.series) checkCovariates(series, options.scaling)
  const calendarOf = options.calendar ? cachedCalendar(frame) : () => new Float32Array(0)
  if (!options.together) return frame.series.map((series) => sourceOf(frame, [series], options, calendarOf))
  checkAlike(frame)
  return [sourceOf(frame, frame.series, options, calendarOf)]
}

type Calendar = (start: number, from: number, count: number) => Float32Array

/** Most series of a frame share their stamps. */
function cachedCalendar(frame: SeriesFrame): Calendar {
  const known = new Map<string, Float32Array>()
  return (start, from, count) => {
    const key = `${start} ${from} ${count}`
    const found = known.get(key) ?? calendarFeatures(frame, start, from, count)
    known.set(key, found)
    return found
  }
}

function sourceOf(frame: SeriesFrame, series: readonly Series[], options: SourceOptions, calendarOf: Calendar): WindowSource {
  const { scaling, scaler, last = Number.POSITIVE_INFINITY, ahead, room } = options
  const [first] = series as readonly [Series]
  const length = Math.min(first.values.length, last)
  const cut: Cut = { from: first.values.length - length, length, ahead }
  const scales = series.map((each) => scaleOfSeries(scaling, each, scaler))
  const calendar = options.calendar ? columnsOf(calendarOf(first.start, cut.from, length + room), frame) : []
  const constants = staticNumbers(scaling, first).map((constant) => () => constant)
  return {
    ids: series.map(({ id }) => id),
    scales,
    length,
    values: rows(
      length,
      series.map(({ values }, i) => scaledColumn(values, scales[i]!, cut.from)),
    ),
    markRows: length + room,
    marks: rows(length + room, [...calendar, ...covariateColumns(first, 'future', cut, scaling), ...constants]),
    covariates: rows(length, covariateColumns(first, 'past', cut, scaling)),
  }
}

/** Which values of a series are wanted, and how far beyond. */
interface Cut {
  readonly from: number
  readonly length: number
  readonly ahead: number
}

type Column = (row: number) => number

function columnsOf(features: Float32Array, { frequency }: SeriesFrame): Column[] {
  const count = calendarFeatureNames(frequency).length
  return Array.from({ length: count }, (_, i) => (row) => features[row * count + i]!)
}

function scaledColumn(values: Float64Array, { center, spread }: Scale, from: number): Column {
  return (row) => (values[from + row]! - center) / spread
}

function covariateColumns(series: Series, kind: 'past' | 'future', { from, length, ahead }: Cut, scaling: Scaling): Column[] {
  const count = kind === 'past' ? length : length + ahead
  return Object.keys(series[kind])
    .sort()
    .map((name) => {
      const values = checked(series, kind, name, from, count)
      const scaled = scaledColumn(values, scaling[kind][name]!, from)
      return (row) => scaled(Number.isFinite(values[from + row]) ? row : count - 1)
    })
}

/** Columns side by side, `[count, column]`. */
function rows(count: number, columns: readonly Column[]): Float32Array {
  const all = new Float32Array(count * columns.length)
  for (const [i, column] of columns.entries()) for (let row = 0; row < count; row++) all[row * columns.length + i] = column(row)
  return all
}

function checked(series: Series, kind: 'past' | 'future', name: string, from: number, count: number): Float64Array {
  const values = series[kind][name]!
  for (let at = from; at < from + count; at++)
    if (!Number.isFinite(values[at]))
      throw new DataError(`the ${kind} covariate '${name}' of series '${series.id}' has no number at its value ${at + 1}`, {
        expected: `numbers up to value ${from + count}`,
      })
  return values
}

/** Throws DataError unless all series stand side by side. */
function checkAlike({ series }: SeriesFrame): void {
  const [first, ...others] = series
  const apart = { fix: "give the option variates: 'apart', or take a method that treats series apart" }
  for (const each of others) {
    if (each.start !== first!.start || each.values.length !== first!.values.length)
      throw new DataError(`series '${first!.id}' and '${each.id}' do not have the same stamps`, {
        expected: 'series that begin and end together, as all stand in one window',
        ...apart,
      })
    for (const kind of ['past', 'future'] as const)
      if (!sameColumns(first![kind], each[kind]))
        throw new DataError(`series '${first!.id}' and '${each.id}' have other ${kind} covariates`, {
          expected: 'the same for all series, as all stand in one window',
          ...apart,
        })
  }
}

function sameColumns(a: Readonly<Record<string, Float64Array>>, b: Readonly<Record<string, Float64Array>>): boolean {
  const names = Object.keys(a)
  const same = (name: string) => Object.hasOwn(b, name) && (a[name] === b[name] || equal(a[name]!, b[name]!))
  return names.length === Object.keys(b).length && names.every(same)
}

function equal(a: Float64Array, b: Float64Array): boolean {
  return a.length === b.length && a.every((value, i) => Object.is(value, b[i]))
}
