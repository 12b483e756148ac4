import { DateTime } from 'luxon'
import { DataError } from '../../base/errors.ts'
import { detectFrequency, regularity } from './detect-frequency.ts'
import { type Frequency, frequencyOf, frequencyText, gridOf } from './frequency.ts'
import type { RawRows, RawSeries, ReadSeries } from './read-series.ts'
import type { Series, SeriesFrame } from './series-frame.ts'

/** What becomes of missing values: an error; NaN; the value before; a line between neighbours; 0. */
export type FillRule = 'refuse' | 'keep' | 'forward' | 'linear' | 'zero'

/** What was found in the data, and what was done to it. */
export interface SeriesReport {
  readonly rows: number
  readonly frequency: Frequency
  /** Whether the frequency was told by the stamps. */
  readonly detected: boolean
  /** Series whose rows were not in the order of their stamps. */
  readonly reordered: number
  /** Values that were missing, by the series they are missing in. */
  readonly missing: Readonly<Record<string, number>>
  /** Rows after the last value, which tell future covariates only. */
  readonly futureRows: number
}

export interface Regularity {
  readonly zone: string
  readonly fill: FillRule
  readonly frequency: string | undefined
  /** Whether stamps are numbers that are no times. */
  readonly steps: boolean
  readonly rows: number
}

/** Rows on one regular grid. Throws DataError on what cannot be, or may not be, brought there. */
export function regularSeries(raw: readonly RawSeries[], options: Regularity): ReadSeries {
  if (raw.length === 0) throw new DataError('no rows', { expected: 'at least three' })
  refuseSameNames(raw)
  const { zone } = options
  const orders = new Map(distinctRows(raw).map(({ rows }) => [rows, orderOf(rows.stamps)]))
  const sorted = new Map([...orders].map(([rows, order]) => [rows, order === undefined ? rows : inOrder(rows, order)]))
  const ordered = raw.map((each) => {
    const order = orders.get(each.rows)
    const rows = sorted.get(each.rows)!
    return order === undefined ? each : { ...each, ...valuesInOrder(each, order), rows }
  })
  const distinct = distinctRows(ordered)
  for (const each of distinct) refuseDoubles(each, options)
  const frequency = frequencyFor(distinct, options)
  const positions = new Map(distinct.map((each) => [each.rows, positionsOf(each, frequency, zone)]))
  const missing: Record<string, number> = {}
  const series = ordered.map((each) => onGrid(each, positions.get(each.rows)!, options.fill, missing))
  const futureRows = series.reduce((sum, each) => sum + extraRows(each), 0)
  const report = {
    rows: options.rows,
    frequency,
    detected: options.frequency === undefined && !options.steps,
    reordered: raw.filter(({ rows }) => orders.get(rows) !== undefined).length,
    missing,
    futureRows,
  }
  return { frame: { frequency, zone, series }, report }
}

function refuseSameNames(raw: readonly RawSeries[]): void {
  const seen = new Set<string>()
  for (const { id } of raw) {
    if (seen.has(id))
      throw new DataError(`two series are named '${id}'`, { expected: 'ids and columns whose names differ when joined' })
    seen.add(id)
  }
}

/** The first series of each rows: what is said of stamps is worked out once for all series that share them. */
function distinctRows(raw: readonly RawSeries[]): RawSeries[] {
  const first = new Map<RawRows, RawSeries>()
  for (const each of raw) if (!first.has(each.rows)) first.set(each.rows, each)
  return [...first.values()]
}

function extraRows({ values, future }: Series): number {
  const lengths = Object.values(future).map(({ length }) => length)
  return lengths.length === 0 ? 0 : Math.max(...lengths) - values.length
}

/** Indices of stamps, ascending; undefined where they are in order. */
function orderOf(stamps: Float64Array): readonly number[] | undefined {
  if (stamps.every((stamp, i) => i === 0 || stamp >= stamps[i - 1]!)) return undefined
  return [...stamps.keys()].sort((a, b) => stamps[a]! - stamps[b]!)
}

function inOrder({ stamps, numbers, word }: RawRows, order: readonly number[]): RawRows {
  return { stamps: picked(stamps, order), numbers: picked(numbers, order), word }
}

function picked(list: Float64Array, order: readonly number[]): Float64Array {
  return Float64Array.from(order, (index) => list[index]!)
}

function placeOf({ numbers, word }: RawRows, index: number): string {
  return `${word} ${numbers[index]}`
}

function valuesInOrder(
  { values, past, future }: RawSeries,
  order: readonly number[],
): Pick<RawSeries, 'values' | 'past' | 'future'> {
  const each = (lists: Readonly<Record<string, Float64Array>>) =>
    Object.fromEntries(Object.entries(lists).map(([name, list]) => [name, picked(list, order)]))
  return { values: picked(values, order), past: each(past), future: each(future) }
}

function refuseDoubles({ id, rows }: RawSeries, { zone, steps }: Regularity): void {
  const { stamps } = rows
  const double = stamps.findIndex((stamp, i) => i > 0 && stamp === stamps[i - 1])
  if (double < 0) return
  const stamp = steps ? String(stamps[double]) : timeText(stamps[double]!, zone)
  throw new DataError(`series '${id}' has the stamp ${stamp} twice: ${placeOf(rows, double - 1)} and ${placeOf(rows, double)}`, {
    expected: 'each stamp once',
    fix:
      zone === 'UTC'
        ? 'name the column of ids, or add the rows up'
        : `stamps with an offset (+02:00) where clocks of ${zone} are changed; or name the column of ids`,
  })
}

/** A stamp as people write it. */
export function stampText(stamp: number, { frequency, zone }: Pick<SeriesFrame, 'frequency' | 'zone'>): string {
  if (frequency.unit === 'step') return String(stamp)
  return timeText(stamp, zone)
}

function timeText(stamp: number, zone: string): string {
  const time = DateTime.fromMillis(stamp, { zone })
  const midnight = time.hour === 0 && time.minute === 0 && time.second === 0
  return midnight ? time.toISODate()! : time.toISO({ suppressMilliseconds: true, suppressSeconds: true })!
}

/** One frequency for all. Throws DataError when the stamps of two series say different things. */
function frequencyFor(series: readonly RawSeries[], { frequency, steps, zone }: Regularity): Frequency {
  if (frequency !== undefined) return frequencyOf(frequency)
  if (steps) return { unit: 'step', every: 1 }
  const longest = series.reduce((a, b) => (b.rows.stamps.length > a.rows.stamps.length ? b : a))
  const { frequency: common } = detectFrequency(longest.rows.stamps, zone)
  for (const each of series) {
    if (each === longest || each.rows.stamps.length < 3) continue
    const own = detectFrequency(each.rows.stamps, zone).frequency
    if (own.unit !== common.unit || own.every % common.every !== 0)
      throw new DataError(
        `series '${longest.id}' has a value every ${frequencyText(common)}, series '${each.id}' every ${frequencyText(own)}`,
        {
          expected: 'one frequency',
          fix: 'read them apart, or name the frequency',
        },
      )
  }
  return common
}

/** Steps from the first stamp to each. Throws DataError where one is off the grid. */
function positionsOf({ id, rows }: RawSeries, frequency: Frequency, zone: string): Float64Array {
  const { stamps } = rows
  const { irregular } = regularity(stamps, frequency, zone)
  if (irregular.length > 0) {
    const [{ index, stamp, before }] = irregular as [(typeof irregular)[number]]
    throw new DataError(
      `series '${id}', ${placeOf(rows, index)}: ${stampText(stamp, { frequency, zone })} is no whole number of steps (${frequencyText(frequency)}) after ${stampText(before, { frequency, zone })}; ${irregular.length} such rows`,
      { expected: 'stamps on one grid', fix: 'name another frequency, or put the data on a grid first' },
    )
  }
  const grid = gridOf(frequency, zone)
  let at = 0
  return stamps.map((stamp, i) => {
    if (i > 0) at += grid.between(stamps[i - 1]!, stamp).steps
    return at
  })
}

/** One series on the grid, its gaps filled as asked. */
function onGrid(raw: RawSeries, at: Float64Array, fill: FillRule, missing: Record<string, number>): Series {
  const { id } = raw
  const { rows } = raw
  const size = at.at(-1)! + 1
  const spread = (list: Float64Array) => {
    if (size === at.length) return list
    const out = new Float64Array(size).fill(Number.NaN)
    for (let i = 0; i < at.length; i++) out[at[i]!] = list[i]!
    return out
  }
  const values = spread(raw.values)
  const names = Object.keys(raw.future)
  const known = values.findLastIndex((value) => !Number.isNaN(value)) + 1
  if (known === 0)
    throw new DataError(`series '${id}' has no values`, { expected: 'at least one', fix: 'leave its column or its rows out' })
  const length = names.length === 0 ? size : known
  const own = values.subarray(0, length)
  const filled = fillGaps(own, { id, what: 'values', fill, missing, rows, at })
  const cover = (lists: Readonly<Record<string, Float64Array>>, upTo: number) =>
    Object.fromEntries(
      Object.entries(lists).map(([name, list]) => [
        name,
        fillGaps(spread(list).subarray(0, upTo), { id, what: `'${name}'`, fill, missing, rows, at }),
      ]),
    )
  return {
    id,
    start: rows.stamps[0]!,
    values: filled,
    past: cover(raw.past, length),
    future: cover(raw.future, size),
    static: raw.static,
  }
}

interface Filling {
  readonly id: string
  readonly what: string
  readonly fill: FillRule
  readonly missing: Record<string, number>
  readonly rows: RawRows
  readonly at: Float64Array
}

function fillGaps(values: Float64Array, { id, what, fill, missing, rows, at }: Filling): Float64Array {
  if (!values.some(Number.isNaN)) return values
  const holes = [...values.keys()].filter((index) => Number.isNaN(values[index]))
  missing[id] = (missing[id] ?? 0) + holes.length
  if (fill === 'refuse') {
    const row = at.indexOf(holes[0]!)
    const where =
      row >= 0
        ? placeOf(rows, row)
        : `after ${placeOf(
            rows,
            at.findLastIndex((position) => position < holes[0]!),
          )}`
    throw new DataError(`series '${id}' lacks ${holes.length} of ${values.length} ${what}, the first ${where}`, {
      expected: 'a value at every step',
      fix: "choose a fill: 'forward', 'linear', 'zero', or 'keep' for models that bear gaps",
    })
  }
  return fill === 'keep' ? values : filledBy(fill, values, id)
}

/** Throws DataError where nothing stands before a gap, or for a line after it. */
function filledBy(fill: 'forward' | 'linear' | 'zero', values: Float64Array, id: string): Float64Array {
  if (fill === 'zero') return values.map((value) => (Number.isNaN(value) ? 0 : value))
  const edge = fill === 'linear' && Number.isNaN(values.at(-1)) ? 'ends' : Number.isNaN(values[0]) ? 'begins' : undefined
  if (edge !== undefined)
    throw new DataError(`series '${id}' ${edge} with missing values`, {
      expected: `a value for '${fill}' to go by`,
      fix: `another fill, or cut the ${edge === 'ends' ? 'end' : 'beginning'} off`,
    })
  const out = values.slice()
  let last = 0
  for (let index = 1; index < out.length; index++) {
    if (fill === 'forward' && Number.isNaN(out[index])) out[index] = out[index - 1]!
    if (Number.isNaN(out[index])) continue
    const slope = (out[index]! - out[last]!) / (index - last)
    for (let gap = last + 1; gap < index; gap++) out[gap] = out[last]! + slope * (gap - last)
    last = index
  }
  return out
}
