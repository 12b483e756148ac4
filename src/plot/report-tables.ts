import { frequencyText, type ReadSeries, stampAt, stampText } from '../data/index.ts'
import { type Backtest, type EvaluateBy, type EvaluationRow, evaluate, type Forecast } from '../systems/index.ts'

/** A table of which the first columns are names and the others numbers. */
export interface ReportTable {
  /** Of a table that is folded away; '' for one that is not. */
  readonly summary: string
  readonly open: boolean
  readonly names: number
  readonly head: readonly string[]
  readonly rows: readonly (readonly string[])[]
  /** Rows that are left out. */
  readonly left: number
}

const mostRows = 1000

export function reportTable(
  head: readonly string[],
  rows: readonly (readonly string[])[],
  names: number,
  summary = '',
): ReportTable {
  return {
    summary,
    open: rows.length <= 24,
    names,
    head,
    rows: rows.slice(0, mostRows),
    left: Math.max(0, rows.length - mostRows),
  }
}

/** What a table of series held, as pairs of a name and a text. */
export function factsOf({ frame, report }: ReadSeries, source: string): [string, string][] {
  const { series } = frame
  const names = (kind: 'past' | 'future' | 'static') => Object.keys(series[0]![kind])
  const covariates = (['past', 'future', 'static'] as const).flatMap((kind) => names(kind).map((name) => `${name} (${kind})`))
  const lengths = series.map(({ values }) => values.length)
  const missing = Object.values(report.missing).reduce((sum, each) => sum + each, 0)
  return [
    ['file', source],
    ['rows', count(report.rows)],
    [
      'series',
      series.length === 1
        ? series[0]!.id
        : `${count(series.length)}, the first ${series
            .slice(0, 5)
            .map(({ id }) => id)
            .join(', ')}`,
    ],
    ['values of a series', range(Math.min(...lengths), Math.max(...lengths))],
    ['frequency', `${frequencyText(report.frequency)}${report.detected ? ', as the dates say' : ', as named'}`],
    ['time zone', frame.frequency.unit === 'step' ? '-' : frame.zone],
    ['from, to', spanText(frame)],
    ['missing values', missing === 0 ? 'none' : `${count(missing)}, in ${count(Object.keys(report.missing).length)} series`],
    ...(report.reordered > 0 ? [['put in order', `rows of ${count(report.reordered)} series`] satisfies [string, string]] : []),
    ...(covariates.length > 0 ? [['covariates', covariates.join(', ')] satisfies [string, string]] : []),
    ...(report.futureRows > 0 ? [['rows of what is to come', count(report.futureRows)] satisfies [string, string]] : []),
  ]
}

function spanText(frame: ReadSeries['frame']): string {
  const first = Math.min(...frame.series.map(({ start }) => start))
  const last = Math.max(...frame.series.map((series) => stampAt(frame, series, series.values.length - 1)))
  return `${stampText(first, frame)}, ${stampText(last, frame)}`
}

function range(least: number, greatest: number): string {
  return least === greatest ? count(least) : `${count(least)} to ${count(greatest)}`
}

/** The errors of each method, over all windows. */
export function methodsTable(backtests: readonly Backtest[]): ReportTable {
  const levels = [...new Set(backtests.flatMap((backtest) => backtest.levels))]
  const rows = backtests.map((backtest) => [backtest.model, ...metricCells(evaluate(backtest)[0]!, levels)])
  return reportTable(['method', ...metricNames(levels)], rows, 1)
}

/** The errors of one method apart by step, series or window. */
export function apartTable(backtest: Backtest, by: EvaluateBy, summary: string): ReportTable {
  const { levels } = backtest
  const rows = evaluate(backtest, { by }).map((row) => [row.key, ...metricCells(row, levels)])
  return reportTable([by, ...metricNames(levels)], rows, 1, summary)
}

function metricNames(levels: readonly number[]): string[] {
  return ['MAE', 'RMSE', 'sMAPE', 'MASE', 'CRPS', ...levels.map((level) => `in ${level} %`)]
}

function metricCells(row: EvaluationRow, levels: readonly number[]): string[] {
  return [
    digits(row.mae),
    digits(row.rmse),
    `${decimals(row.smape, 1)} %`,
    row.mase === undefined ? '-' : decimals(row.mase, 2),
    row.crps === undefined ? '-' : digits(row.crps),
    ...levels.map((level) => (row.coverage[level] === undefined ? '-' : `${Math.round(100 * row.coverage[level])} %`)),
  ]
}

export function forecastTable(forecast: Forecast): ReportTable {
  const levels = [...forecast.series[0]!.intervals.keys()]
  const rows = forecast.series.flatMap(({ id, stamps, mean, intervals }) =>
    stamps.map((stamp, step) => [
      id,
      stampText(stamp, forecast),
      digits(mean[step]!),
      ...levels.flatMap((level) => [digits(intervals.get(level)!.lower[step]!), digits(intervals.get(level)!.upper[step]!)]),
    ]),
  )
  const head = ['series', 'time', forecast.model, ...levels.flatMap((level) => [`${level} % from`, 'to'])]
  return reportTable(head, rows, 2, `${count(rows.length)} values`)
}

export function count(value: number): string {
  return value.toLocaleString('en-US')
}

/** Five digits that count. */
function digits(value: number): string {
  return value.toLocaleString('en-US', { minimumSignificantDigits: 5, maximumSignificantDigits: 5 })
}

function decimals(value: number, digitsAfter: number): string {
  return value.toLocaleString('en-US', { minimumFractionDigits: digitsAfter, maximumFractionDigits: digitsAfter })
}
