import { DateTime } from 'luxon'
import { DataError } from '../../base/errors.ts'
import { detectFrequency, regularity } from './detect-frequency.ts'
import { type Frequency, frequencyOf, frequencyText, gridOf } from './frequency.ts'
import type { RawSeries, ReadSeries } from './read-series.ts'
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
  const { zone } = options
  let reordered = 0
  const sorted = raw.map((each) => {
    if (isAscending(each.stamps)) return each
    reordered++
    return inOrder(each)
  })
  for (const each of sorted) refuseDoubles(each, options)
  const frequency = frequencyFor(sorted, options)
  const missing: Record<string, number> = {}
  const series = sorted.map((each) => onGrid(each, frequency, options, missing))
  const futureRows = series.reduce((sum, each) => sum + extraRows(each), 0)
  const report = {
    rows: options.rows,
    frequency,
    detected: options.frequency === undefined && !options.steps,
    reordered,
    missing,
    futureRows,
  }
  return { frame: { frequency, zone, series }, report }
}

function extraRows({ values, future }: Series): number {
  const lengths = Object.values(future).map(({ length }) => length)
  return lengths.length === 0 ? 0 : Math.max(...lengths) - values.length
}

function isAscending(stamps: readonly number[]): boolean {
  return stamps.every((stamp, i) => i === 0 || stamp >= stamps[i - 1]!)
}

function inOrder(raw: RawSeries): RawSeries {
  const order = [...raw.stamps.keys()].sort((a, b) => raw.stamps[a]! - raw.stamps[b]!)
  const pick = <T>(list: readonly T[]) => order.map((index) => list[index]!)
  const each = (lists: Readonly<Record<string, number[]>>) =>
    Object.fromEntries(Object.entries(lists).map(([name, list]) => [name, pick(list)]))
  return {
    ...raw,
    stamps: pick(raw.stamps),
    places: pick(raw.places),
    values: pick(raw.values),
    past: each(raw.past),
    future: each(raw.future),
  }
}

function refuseDoubles({ id, stamps, places }: RawSeries, { zone, steps }: Regularity): void {
  const double = stamps.findIndex((stamp, i) => i > 0 && stamp === stamps[i - 1])
  if (double < 0) return
  const stamp = steps ? String(stamps[double]) : timeText(stamps[double]!, zone)
  throw new DataError(`series '${id}' has the stamp ${stamp} twice: ${places[double - 1]} and ${places[double]}`, {
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
  const longest = series.reduce((a, b) => (b.stamps.length > a.stamps.length ? b : a))
  const { frequency: common } = detectFrequency(longest.stamps, zone)
  for (const each of series) {
    if (each.stamps.length < 3) continue
    const own = detectFrequency(each.stamps, zone).frequency
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

/** One series on the grid, its gaps filled as asked. */
function onGrid(raw: RawSeries, frequency: Frequency, { zone, fill }: Regularity, missing: Record<string, number>): Series {
  const { id, stamps, places } = raw
  const { irregular } = regularity(stamps, frequency, zone)
  if (irregular.length > 0) {
    const [{ index, stamp, before }] = irregular as [(typeof irregular)[number]]
    throw new DataError(
      `series '${id}', ${places[index]}: ${stampText(stamp, { frequency, zone })} is no whole number of steps (${frequencyText(frequency)}) after ${stampText(before, { frequency, zone })}; ${irregular.length} such rows`,
      { expected: 'stamps on one grid', fix: 'name another frequency, or put the data on a grid first' },
    )
  }
  const at = positions(stamps, frequency, zone)
  const size = at.at(-1)! + 1
  const spread = (list: readonly number[]) => {
    const out = new Float64Array(size).fill(Number.NaN)
    for (const [i, position] of at.entries()) out[position] = list[i]!
    return out
  }
  const values = spread(raw.values)
  const names = Object.keys(raw.future)
  const length = names.length === 0 ? size : values.findLastIndex((value) => !Number.isNaN(value)) + 1
  if (length === 0) throw new DataError(`series '${id}' has no values`)
  const own = values.subarray(0, length)
  const filled = fillGaps(own, { id, what: 'values', fill, missing, places, at })
  const cover = (lists: Readonly<Record<string, number[]>>, upTo: number) =>
    Object.fromEntries(
      Object.entries(lists).map(([name, list]) => [
        name,
        fillGaps(spread(list).subarray(0, upTo), { id, what: `'${name}'`, fill, missing, places, at }),
      ]),
    )
  return {
    id,
    start: stamps[0]!,
    values: filled,
    past: cover(raw.past, length),
    future: cover(raw.future, size),
    static: raw.static,
  }
}

/** Steps from the first stamp to each. */
function positions(stamps: readonly number[], frequency: Frequency, zone: string): number[] {
  const grid = gridOf(frequency, zone)
  let at = 0
  return stamps.map((stamp, i) => {
    if (i > 0) at += grid.between(stamps[i - 1]!, stamp).steps
    return at
  })
}

interface Filling {
  readonly id: string
  readonly what: string
  readonly fill: FillRule
  readonly missing: Record<string, number>
  readonly places: readonly string[]
  readonly at: readonly number[]
}

function fillGaps(values: Float64Array, { id, what, fill, missing, places, at }: Filling): Float64Array {
  const holes = [...values.keys()].filter((index) => Number.isNaN(values[index]))
  if (holes.length === 0) return values
  missing[id] = (missing[id] ?? 0) + holes.length
  if (fill === 'refuse') {
    const row = at.indexOf(holes[0]!)
    const where = row >= 0 ? places[row] : `after ${places[at.findLastIndex((position) => position < holes[0]!)]}`
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
