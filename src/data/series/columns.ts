import { DataError, OptionError } from '../../base/errors.ts'

/** What the columns of a table are for. */
export interface ColumnRoles {
  readonly time: number
  readonly id: number | undefined
  /** Each is a series of its own, or with ids one of every id. */
  readonly targets: readonly number[]
  readonly past: readonly number[]
  readonly future: readonly number[]
  readonly static: readonly number[]
}

export interface ColumnOptions {
  /** The column of stamps. Default: ds, date, time, timestamp, datetime or the like; else the first. */
  readonly time?: string
  /** The column that says which series a row is of. Default: unique_id where there is one. */
  readonly id?: string
  /** Columns to forecast. Default: y where there is one; else all that nothing else is said of. */
  readonly target?: string | readonly string[]
  /** Columns known up to the last value. */
  readonly past?: readonly string[]
  /** Columns known beyond. */
  readonly future?: readonly string[]
  /** Columns that say one thing of each series. */
  readonly static?: readonly string[]
}

const timeNames = ['ds', 'date', 'datetime', 'time', 'timestamp', 'period', 'month', 'week', 'day', 'year', 'quarter', 'index']

/** Throws DataError on columns that are missing, OptionError on one that is named for two purposes. */
export function columnRoles(columns: readonly string[], options: ColumnOptions): ColumnRoles {
  const find = (name: string) => {
    const index = columns.indexOf(name)
    if (index < 0) throw new DataError(`no column '${name}'`, { expected: `one of ${columns.join(', ')}` })
    return index
  }
  const named = (name: string) => columns.findIndex((column) => column.toLowerCase() === name)
  const id = options.id === undefined ? optional(named('unique_id')) : find(options.id)
  const time = options.time === undefined ? firstOf(timeNames.map(named)) : find(options.time)
  const [past, future, fixed] = [options.past ?? [], options.future ?? [], options.static ?? []].map((names) => names.map(find))
  const taken = [time, id, ...past!, ...future!, ...fixed!]
  const targets = targetColumns(columns, options, taken, find)
  const all = [...taken, ...targets].filter((index) => index !== undefined)
  const twice = all.find((index, i) => all.indexOf(index) !== i)
  if (twice !== undefined)
    throw new OptionError(`the column '${columns[twice]}' is named for two purposes`, { expected: 'one for each column' })
  return { time, id, targets, past: past!, future: future!, static: fixed! }
}

function optional(index: number): number | undefined {
  return index < 0 ? undefined : index
}

function firstOf(indices: readonly number[]): number {
  return indices.find((index) => index >= 0) ?? 0
}

function targetColumns(
  columns: readonly string[],
  { target }: ColumnOptions,
  taken: readonly (number | undefined)[],
  find: (name: string) => number,
): readonly number[] {
  if (target !== undefined) return (typeof target === 'string' ? [target] : target).map(find)
  const y = columns.findIndex((column) => column.toLowerCase() === 'y')
  if (y >= 0 && !taken.includes(y)) return [y]
  const rest = [...columns.keys()].filter((index) => !taken.includes(index))
  if (rest.length > 0) return rest
  throw new DataError(`no column to forecast among ${columns.join(', ')}`, {
    expected: 'a column of times and one of numbers, such as ds and y',
  })
}
