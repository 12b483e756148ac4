import { parquetReadObjects } from 'hyparquet'
import { DataError, FormatError } from '../../base/errors.ts'
import { csvParser } from '../../platform/csv-parser.ts'
import { readFileBytes } from '../../platform/files.ts'
import { streamText } from '../../platform/text-files.ts'

/** A cell as it was written, or as a typed format has it. */
export type Cell = string | number | bigint | boolean | Date | null | undefined

/** One row of a table. */
export interface Row {
  /** From 1: of its line in a text, or in its list. */
  readonly number: number
  readonly cells: readonly Cell[]
}

export interface Table {
  readonly columns: readonly string[]
  /** What rows are called in messages, before their number. */
  readonly rowWord: string
  readonly rows: AsyncIterable<Row>
}

export interface ReadRowsOptions {
  /** What stands between cells. Default: whichever of comma, semicolon, tab and bar the first line has most of. */
  readonly delimiter?: string | undefined
}

/** Parquet and JSON files are read as a whole; text is read row by row. */
const mostBytes = 2 ** 30

/**
 * The rows of a file, one after another: .csv, .tsv and .txt, .json (a list of objects), .jsonl and .ndjson, .parquet.
 * Throws DataError on a file that cannot be read or has no rows of names, FormatError on one that breaks its format.
 */
export async function readRows(path: string, options: ReadRowsOptions): Promise<Table> {
  const ending = /\.([a-z]+)(\.gz)?$/i.exec(path)?.[1]?.toLowerCase() ?? ''
  if (ending === 'parquet') return objectRows(await parquetObjects(path), 'row')
  if (ending === 'json') return objectRows(await jsonObjects(path), 'entry')
  if (ending === 'jsonl' || ending === 'ndjson') return objectRows(await jsonLines(path), 'line')
  return await textRows(path, options)
}

/** A list of objects as a table; a column that an object lacks is empty there. Throws DataError on anything else. */
export function objectRows(objects: unknown, word: string): Table {
  const list = Array.isArray(objects) ? (objects as unknown[]) : []
  const odd = list.findIndex((each) => typeof each !== 'object' || each === null || Array.isArray(each))
  if (list.length === 0 || odd >= 0)
    throw new DataError(odd < 0 ? 'no rows' : `${word} ${odd + 1} is no object`, {
      expected: 'a list of objects such as { ds, y }',
    })
  const columns = [...new Set((list as Record<string, Cell>[]).flatMap((each) => Object.keys(each)))]
  return {
    columns,
    rowWord: word,
    rows: (async function* () {
      for (const [i, each] of (list as Record<string, Cell>[]).entries())
        yield { number: i + 1, cells: columns.map((column) => each[column]) }
    })(),
  }
}

async function parquetObjects(path: string): Promise<unknown> {
  const { buffer } = await readFileBytes(path, { maxBytes: mostBytes })
  try {
    return await parquetReadObjects({ file: buffer })
  } catch (cause) {
    throw new FormatError(`'${path}' is no Parquet file that can be read`, {
      expected: 'Parquet, uncompressed or with Snappy',
      cause,
    })
  }
}

async function jsonObjects(path: string): Promise<unknown> {
  const text = new TextDecoder().decode(await readFileBytes(path, { maxBytes: mostBytes }))
  try {
    return JSON.parse(text) as unknown
  } catch (cause) {
    throw new FormatError(`'${path}' is no JSON`, { expected: 'a list of objects', cause })
  }
}

async function jsonLines(path: string): Promise<unknown> {
  const text = new TextDecoder().decode(await readFileBytes(path, { maxBytes: mostBytes }))
  return text
    .split('\n')
    .filter((line) => line.trim() !== '')
    .map((line, i) => {
      try {
        return JSON.parse(line) as unknown
      } catch (cause) {
        throw new FormatError(`line ${i + 1} of '${path}' is no JSON`, { expected: 'an object a line', cause })
      }
    })
}

async function textRows(path: string, { delimiter }: ReadRowsOptions): Promise<Table> {
  const records = csvRecords(path, delimiter)
  const first = await records.next()
  if (first.done === true) throw new DataError(`'${path}' is empty`, { expected: 'a first row of column names' })
  const columns = first.value.cells as readonly string[]
  const twice = columns.find((column, i) => columns.indexOf(column) !== i)
  if (twice !== undefined) throw new DataError(`two columns of '${path}' are named '${twice}'`, { fix: 'rename one' })
  return { columns, rowWord: 'line', rows: records }
}

/** Rows of text between delimiters, the names first. */
async function* csvRecords(path: string, delimiter: string | undefined): AsyncGenerator<Row, void, undefined> {
  const pieces = streamText(path)
  const first = await pieces.next()
  if (first.done === true) return
  const parser = csvParser({
    bom: true,
    delimiter: delimiter ?? likelyDelimiter(first.value),
    info: true,
    skip_empty_lines: true,
    trim: true,
  })
  const ready: Row[] = []
  const failed = new Promise<never>((_, reject) => parser.on('error', (error) => reject(csvError(path, error))))
  failed.catch(() => undefined)
  parser.on('readable', () => {
    for (let read = next(parser); read !== null; read = next(parser)) ready.push({ number: read.info.lines, cells: read.record })
  })
  const step = (work: (done: () => void) => void) => Promise.race([failed, new Promise<void>(work)])
  await step((done) => parser.write(first.value, done))
  for await (const piece of pieces) {
    yield* ready.splice(0)
    await step((done) => parser.write(piece, done))
  }
  await step((done) => {
    parser.once('end', done)
    parser.end()
  })
  yield* ready
}

interface Parsed {
  readonly info: { readonly lines: number }
  readonly record: readonly string[]
}

function next(parser: ReturnType<typeof csvParser>): Parsed | null {
  return parser.read() as Parsed | null
}

function csvError(path: string, error: unknown): unknown {
  const { code, message } = error as { code?: unknown; message?: string }
  if (typeof code !== 'string' || !code.startsWith('CSV_')) return error
  return new FormatError(`'${path}': ${message}`, { expected: 'as many cells in every row as there are names', cause: error })
}

function likelyDelimiter(text: string): string {
  const line = text.slice(0, Math.max(0, text.indexOf('\n'))) || text
  const count = (delimiter: string) => line.split(delimiter).length
  return [',', ';', '\t', '|'].reduce((best, each) => (count(each) > count(best) ? each : best))
}
