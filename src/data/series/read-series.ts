import { IANAZone } from 'luxon'
import * as v from 'valibot'
import { DataError, OptionError } from '../../base/errors.ts'
import { checkOptions, shortened } from '../../base/options.ts'
import { type ColumnOptions, type ColumnRoles, columnRoles } from './columns.ts'
import { NumberList } from './number-list.ts'
import { type Cell, objectRows, type Row, readRows, type Table } from './read-rows.ts'
import { detectStampFormat, type StampFormat, stampFormat } from './read-stamps.ts'
import { type FillRule, regularSeries, type SeriesReport } from './regular-series.ts'
import type { SeriesFrame } from './series-frame.ts'

export interface ReadSeriesOptions extends ColumnOptions {
  /** In words, such as "15 minutes". Default: what the stamps say. */
  readonly frequency?: string
  /** IANA name of the time zone of stamps that name none, whose calendar counts. Default 'UTC'. */
  readonly zone?: string
  /** How stamps are written, in Luxon's letters, such as 'dd/MM/yyyy'. Default: what all of them fit. */
  readonly stampFormat?: string
  /** What becomes of values that are missing, in a row or as a row. Default 'refuse'. */
  readonly fill?: FillRule
  /** Between cells of text files. Default: comma, semicolon, tab or bar, whichever the first line has most of. */
  readonly delimiter?: string
  /** Default 2^26. */
  readonly maxRows?: number
}

/** What was read, and what was done to it on the way. */
export interface ReadSeries {
  readonly frame: SeriesFrame
  readonly report: SeriesReport
}

/** Rows of one id: all series of a wide table have the same. */
export interface RawRows {
  readonly stamps: Float64Array
  /** Of the rows in the table, with what they are called. */
  readonly numbers: Float64Array
  readonly word: string
}

/** Stamps and numbers of one series as they were read. */
export interface RawSeries {
  readonly id: string
  readonly rows: RawRows
  readonly values: Float64Array
  readonly past: Readonly<Record<string, Float64Array>>
  readonly future: Readonly<Record<string, Float64Array>>
  readonly static: Readonly<Record<string, string | number>>
}

const names = v.array(v.string())
const schema = v.strictObject({
  time: v.optional(v.string()),
  id: v.optional(v.string()),
  target: v.optional(v.union([v.string(), v.pipe(names, v.minLength(1))])),
  past: v.optional(names),
  future: v.optional(names),
  static: v.optional(names),
  frequency: v.optional(v.string()),
  zone: v.optional(v.string()),
  stampFormat: v.optional(v.string()),
  fill: v.optional(v.picklist(['refuse', 'keep', 'forward', 'linear', 'zero'])),
  delimiter: v.optional(v.pipe(v.string(), v.minLength(1))),
  maxRows: v.optional(v.pipe(v.number(), v.safeInteger(), v.minValue(1))),
})

/** Stamps by which their format is told. */
const formatSample = 10_000

/**
 * Series from a file (.csv, .tsv, .json, .jsonl, .parquet) or a list of objects: long (a column of ids) or wide (a column a series). Nothing is
 * repaired unless asked: rows may come in any order, but stamps that are double, irregular or missing, and cells that are no finite numbers, are
 * refused with their rows named. Rows at the end that have future covariates but no value tell what is to come.
 * Throws DataError, FormatError and OptionError.
 * @example
 * const { frame, report } = await readSeries([
 *   { ds: '2024-01', y: 3 },
 *   { ds: '2024-02', y: 4 },
 *   { ds: '2024-03', y: 5 },
 * ])
 */
export async function readSeries(source: string | readonly object[], options: ReadSeriesOptions = {}): Promise<ReadSeries> {
  checkOptions(schema, options, 'readSeries')
  const { zone = 'UTC', fill = 'refuse' } = options
  if (!IANAZone.isValidZone(zone)) throw new OptionError(`time zone '${zone}'`, { expected: 'an IANA name such as Europe/Berlin' })
  const table = typeof source === 'string' ? await readRows(source, { delimiter: options.delimiter }) : objectRows(source, 'row')
  const roles = columnRoles(table.columns, options)
  const collector = new Collector(table, roles, { ...options, zone })
  await collector.readAll()
  return regularSeries(collector.series, {
    zone,
    fill,
    frequency: options.frequency,
    steps: collector.steps,
    rows: collector.rows,
  })
}

/** Collects rows by series; holds the first ones back until the format of stamps is known. */
class Collector {
  rows = 0
  readonly #groups = new Map<string | undefined, Group>()
  readonly #table: Table
  readonly #roles: ColumnRoles
  readonly #options: ReadSeriesOptions & { readonly zone: string }
  #format: StampFormat | undefined

  constructor(table: Table, roles: ColumnRoles, options: ReadSeriesOptions & { readonly zone: string }) {
    this.#table = table
    this.#roles = roles
    this.#options = options
    this.#format = options.stampFormat === undefined ? undefined : stampFormat(options.stampFormat)
  }

  get series(): readonly RawSeries[] {
    const finished = (lists: Readonly<Record<string, NumberList>>) =>
      Object.fromEntries(Object.entries(lists).map(([name, list]) => [name, list.values]))
    return [...this.#groups.values()].flatMap(({ stamps, numbers, series }) => {
      const rows = { stamps: stamps.values, numbers: numbers.values, word: this.#table.rowWord }
      return series.map(({ values, past, future, ...each }) => ({
        ...each,
        rows,
        values: values.values,
        past: finished(past),
        future: finished(future),
      }))
    })
  }

  /** Whether stamps are numbers that are no times. */
  get steps(): boolean {
    return this.#format?.steps === true
  }

  async readAll(): Promise<void> {
    const { maxRows = 2 ** 26 } = this.#options
    const held: Row[] = []
    for await (const row of this.#table.rows) {
      if (++this.rows > maxRows) throw new DataError(`more than ${maxRows} rows`, { fix: 'raise maxRows' })
      if (this.#format === undefined && held.length < formatSample) held.push(row)
      else {
        if (held.length > 0) this.#release(held)
        this.#add(row)
      }
    }
    this.#release(held)
  }

  #release(held: Row[]): void {
    const cells = held.map((row) => row.cells[this.#roles.time])
    const texts = cells.filter((cell) => typeof cell === 'string' || typeof cell === 'number').map(String)
    if (this.#format === undefined && texts.length > 0) this.#format = detectStampFormat(texts, this.#options.zone)
    for (const row of held.splice(0)) this.#add(row)
  }

  #add(row: Row): void {
    const { time, id, targets } = this.#roles
    const stamp = this.#stamp(row, row.cells[time])
    const key = id === undefined ? undefined : textOf(row.cells[id])
    if (key === '') throw new DataError(`${this.#placeOf(row)}: no id`, { expected: 'one in every row' })
    const group = this.#groupOf(key)
    group.stamps.push(stamp)
    group.numbers.push(row.number)
    for (const [i, target] of targets.entries()) this.#addTo(group.series[i]!, row, target)
  }

  #stamp(row: Row, cell: Cell): number {
    if (cell instanceof Date) return cell.getTime()
    if (typeof cell === 'bigint') return Number(cell)
    const text = textOf(cell)
    const stamp = this.#format === undefined ? Number(text || Number.NaN) : this.#format.read(text, this.#options.zone)
    if (stamp !== undefined && Number.isFinite(stamp)) return stamp
    throw new DataError(`${this.#placeOf(row)}: the stamp '${shortened(text, 40)}'`, {
      expected: this.#format === undefined ? 'a date' : `${this.#format.name}, as in the rows before`,
    })
  }

  #addTo(series: GrowingSeries, row: Row, target: number): void {
    const { past, future } = this.#roles
    const { columns } = this.#table
    series.values.push(numberOf(row, this.#table, target))
    for (const column of past) series.past[columns[column]!]!.push(numberOf(row, this.#table, column))
    for (const column of future) series.future[columns[column]!]!.push(numberOf(row, this.#table, column))
    for (const column of this.#roles.static) this.#setStatic(series, row, column)
  }

  #setStatic(series: GrowingSeries, row: Row, column: number): void {
    const name = this.#table.columns[column]!
    const cell = row.cells[column]
    const value = typeof cell === 'number' ? cell : textOf(cell)
    const known = series.static[name] ?? value
    series.static[name] = known
    if (known !== value)
      throw new DataError(`${this.#placeOf(row)}: '${name}' of series '${series.id}' is ${value}, and ${known} before`, {
        expected: 'one value for a whole series',
        fix: 'name it as a past or future covariate',
      })
  }

  #groupOf(key: string | undefined): Group {
    const known = this.#groups.get(key)
    if (known !== undefined) return known
    const { targets } = this.#roles
    const series = targets.map((target) => {
      const column = this.#table.columns[target]!
      return this.#emptySeries(key === undefined ? column : targets.length === 1 ? key : `${key}/${column}`)
    })
    const made = { stamps: new NumberList(), numbers: new NumberList(), series }
    this.#groups.set(key, made)
    return made
  }

  #emptySeries(id: string): GrowingSeries {
    const empty = (indices: readonly number[]) =>
      Object.fromEntries(indices.map((index) => [this.#table.columns[index]!, new NumberList()]))
    return { id, values: new NumberList(), past: empty(this.#roles.past), future: empty(this.#roles.future), static: {} }
  }

  #placeOf({ number }: Row): string {
    return `${this.#table.rowWord} ${number}`
  }
}

interface GrowingSeries {
  readonly id: string
  readonly values: NumberList
  readonly past: Readonly<Record<string, NumberList>>
  readonly future: Readonly<Record<string, NumberList>>
  readonly static: Record<string, string | number>
}

/** Series of one id, a target each, and the rows that they share. */
interface Group {
  readonly stamps: NumberList
  readonly numbers: NumberList
  readonly series: readonly GrowingSeries[]
}

function textOf(cell: Cell): string {
  return cell === null || cell === undefined ? '' : String(cell).trim()
}

const missing = new Set(['', 'na', 'nan', 'n/a', 'null', 'none', '.', '-'])

/** NaN for a cell that is empty or says so. Throws DataError on what is no finite number, with its row and column. */
function numberOf({ number: row, cells }: Row, { columns, rowWord }: Table, column: number): number {
  const cell = cells[column]
  if (typeof cell === 'number' && Number.isNaN(cell)) return Number.NaN
  const text = textOf(cell)
  if (missing.has(text.toLowerCase())) return Number.NaN
  const number = typeof cell === 'boolean' ? Number(cell) : Number(text)
  if (Number.isFinite(number)) return number
  throw new DataError(`${rowWord} ${row}, column '${columns[column]}': '${shortened(text, 40)}'`, {
    expected: 'a finite number',
    ...fixOf(text),
  })
}

function fixOf(text: string): { readonly fix: string } | object {
  if (/^-?[\d.]*,\d+$/.test(text)) return { fix: 'write decimal points, not commas' }
  return /\p{L}/u.test(text)
    ? { fix: 'if the column says which series a row is of, name it as id; or name the columns to forecast as target' }
    : {}
}
