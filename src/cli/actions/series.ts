import { frequencyText, type ReadSeries, readSeries, stampAt, stampText } from '../../data/index.ts'
import type { EvaluationRow } from '../../systems/index.ts'
import type { SeriesFlags } from '../forecast.ts'
import { decimals, table, thousands } from '../format.ts'
import { note } from '../terminal.ts'
import type { Tried } from './try-methods.ts'

/** Reads a table as the flags say, and tells what was found in it. */
export async function readTable(path: string, flags: SeriesFlags): Promise<ReadSeries> {
  const { time, id, target, frequency, zone, stampFormat, fill, delimiter, covariates = {} } = flags
  const options = withoutUndefined({ time, id, target, frequency, zone, stampFormat, fill, delimiter })
  const read = await readSeries(path, { ...options, ...covariates })
  for (const line of described(read)) note(line)
  return read
}

function described({ frame, report }: ReadSeries): string[] {
  const [first] = frame.series
  const last = stampAt(frame, first!, first!.values.length - 1)
  const lengths = frame.series.map(({ values }) => values.length)
  const [least, most] = [Math.min(...lengths), Math.max(...lengths)]
  const count = frame.series.length === 1 ? `series '${first!.id}'` : `${thousands(frame.series.length)} series`
  const values = least === most ? thousands(most) : `${thousands(least)} to ${thousands(most)}`
  const span = `${stampText(first!.start, frame)} to ${stampText(last, frame)}`
  const filled = Object.values(report.missing).reduce((sum, each) => sum + each, 0)
  const covariates = (['past', 'future', 'static'] as const).flatMap((kind) =>
    Object.keys(first![kind]).map((name) => `${name} (${kind})`),
  )
  return [
    `${count}: ${values} values, every ${frequencyText(report.frequency)}${report.detected ? ' (as the dates say)' : ''}, ${span}`,
    ...(covariates.length > 0 ? [`covariates: ${covariates.join(', ')}`] : []),
    ...(report.futureRows > 0 ? [`${thousands(report.futureRows)} rows of what is to come`] : []),
    ...(filled > 0 ? [`${thousands(filled)} missing values were filled`] : []),
    ...(report.reordered > 0 ? [`rows of ${report.reordered} series were put in order`] : []),
  ]
}

/** Lines of a table of errors. */
export function errorTable(tried: readonly Tried[], levels: readonly number[]): string[] {
  const several = tried.some(({ rows }) => rows.length > 1)
  const head = ['', ...(several ? ['of'] : []), 'MAE', 'RMSE', 'sMAPE', 'MASE', 'CRPS', ...levels.map((level) => `in ${level} %`)]
  const cells = (row: EvaluationRow) => [
    ...(several ? [row.key] : []),
    number(row.mae),
    number(row.rmse),
    `${decimals(row.smape, 1)} %`,
    row.mase === undefined ? '-' : decimals(row.mase, 2),
    row.crps === undefined ? '-' : number(row.crps),
    ...levels.map((level) => (row.coverage[level] === undefined ? '-' : `${decimals(100 * row.coverage[level], 0)} %`)),
  ]
  return numberTable([head, ...tried.flatMap(({ model, rows }) => rows.map((row) => [model, ...cells(row)]))])
}

/** Lines of a table of which the first columns are names and the others numbers. */
export function numberTable(rows: readonly (readonly string[])[], names = 1): string[] {
  return table(
    rows,
    rows[0]!.map((_, column) => (column < names ? 'left' : 'right')),
  )
}

/** The options that were given. */
export function withoutUndefined<Options extends object>(options: Options): { [Key in keyof Options]?: NonNullable<Options[Key]> } {
  return Object.fromEntries(Object.entries(options).filter(([, value]) => value !== undefined)) as {
    [Key in keyof Options]?: NonNullable<Options[Key]>
  }
}

/** A number with four digits that count, as tables show values. */
export function number(value: number): string {
  const digits = value === 0 ? 0 : Math.max(0, Math.min(8, 3 - Math.floor(Math.log10(Math.abs(value)))))
  return decimals(value, digits)
}
