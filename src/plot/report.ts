import { Eta } from 'eta/core'
import * as v from 'valibot'
import { checkOptions } from '../base/options.ts'
import type { ReadSeries } from '../data/index.ts'
import { type Backtest, evaluate, type Forecast } from '../systems/index.ts'
import { type Coefficients, coefficientsPlot } from './coefficients-plot.ts'
import { componentsPlot } from './components-plot.ts'
import { drawable } from './draw.ts'
import { backtestPlot, forecastPlot } from './forecast-plot.ts'
import { apartTable, count, factsOf, forecastTable, methodsTable, type ReportTable } from './report-tables.ts'
import { reportTemplate } from './report-template.ts'

/** What a report tells of. */
export interface ReportContent {
  /** The file that was read, or another name for the data. */
  readonly source: string
  readonly read: ReadSeries
  /** Of the methods that were tried, the one that is told of at length first. */
  readonly backtests: readonly Backtest[]
  readonly forecast?: Forecast
  /** Of a linear method. */
  readonly coefficients?: Coefficients
  /** Methods that were not tried, and why. */
  readonly passedOver?: readonly { readonly model: string; readonly reason: string }[]
  /** What made it. */
  readonly command?: string
  /** By what they are of. */
  readonly versions?: Readonly<Record<string, string>>
}

const object = v.looseObject({})
const schema = v.strictObject({
  source: v.string(),
  read: v.looseObject({ frame: object, report: object }),
  backtests: v.array(object),
  forecast: v.optional(object),
  coefficients: v.optional(object),
  passedOver: v.optional(v.array(v.strictObject({ model: v.string(), reason: v.string() }))),
  command: v.optional(v.string()),
  versions: v.optional(v.record(v.string(), v.string())),
})

/** Components are drawn of the first series only. */
const drawnApart = 3

/**
 * One HTML page that needs nothing else: what was read, how methods did on past windows, their errors by step and series, pictures, and the forecast. All
 * text from outside is escaped, and no script can run in it. Throws OptionError on content that does not fit together.
 * @example
 * const read = await readSeries('sales.csv')
 * const backtests = [await crossValidate(read.frame, { model: 'ridge', horizon: 24 })]
 * const html = await forecastReport({ source: 'sales.csv', read, backtests })
 */
export async function forecastReport(content: ReportContent): Promise<string> {
  checkOptions(schema, content, 'forecastReport')
  const { source, read, forecast, backtests, command, versions = {} } = content
  const chosen = forecast?.model ?? backtests[0]?.model
  const page = {
    title: `${forecast === undefined ? 'Forecasts of the past' : 'Forecast'} of ${source.split(/[\\/]/).at(-1)}`,
    subtitle: chosen === undefined ? '' : subtitleOf(content, chosen),
    plotsTitle: forecast === undefined ? 'What was forecast, and what came' : 'What comes next',
    plots: await plotsOf(content),
    facts: factsOf(read, source),
    sections: sectionsOf(content),
    command: command ?? '',
    versions: Object.entries(versions)
      .map(([name, version]) => `${name} ${version}`)
      .join(', '),
  }
  const eta = new Eta({ autoEscape: true, autoFilter: true, filterFunction: (value) => drawable(String(value)) })
  return eta.renderString(reportTemplate, page)
}

function subtitleOf({ read, forecast, backtests }: ReportContent, chosen: string): string {
  const { series } = read.frame
  const what = series.length === 1 ? `series '${series[0]!.id}'` : `${count(series.length)} series`
  const steps = forecast === undefined ? '' : `, ${count(forecast.series[0]!.mean.length)} steps ahead`
  return `${what}${steps}, by ${chosen}${rankText(backtests, chosen)}`
}

/** Where a method stands among several, by its mean absolute error. */
function rankText(backtests: readonly Backtest[], chosen: string): string {
  const own = backtests.find(({ model }) => model === chosen)
  if (backtests.length < 2 || own === undefined) return ''
  const error = (backtest: Backtest) => evaluate(backtest)[0]!.mae
  const rank = 1 + backtests.filter((each) => error(each) < error(own)).length
  return `, ${rank === 1 ? 'the best' : `number ${rank}`} of ${backtests.length} methods on past windows`
}

async function plotsOf({ read, forecast, backtests, coefficients }: ReportContent): Promise<string[]> {
  const backtest = backtests.find(({ model }) => forecast === undefined || model === forecast.model)
  const plots: string[] = []
  if (forecast !== undefined) plots.push(await forecastPlot(read.frame, forecast, backtest === undefined ? {} : { backtest }))
  else if (backtest !== undefined) plots.push(await backtestPlot(read.frame, backtest))
  const apart = forecast?.series.filter(({ components = {} }) => Object.keys(components).length > 0) ?? []
  for (const { id } of apart.slice(0, drawnApart)) plots.push(await componentsPlot(forecast!, { series: id }))
  if (coefficients !== undefined) plots.push(await coefficientsPlot(coefficients))
  return plots
}

interface Section {
  readonly title: string
  readonly notes: readonly string[]
  readonly tables: readonly ReportTable[]
}

function sectionsOf({ backtests, forecast, passedOver = [] }: ReportContent): Section[] {
  const chosen = backtests.find(({ model }) => forecast === undefined || model === forecast.model)
  const sections: Section[] = []
  if (backtests.length > 0)
    sections.push({
      title: 'Methods on past windows',
      notes: [windowsText(backtests[0]!), ...passedOver.map(({ model, reason }) => `${model} was passed over: ${reason}`)],
      tables: [methodsTable(backtests)],
    })
  if (chosen !== undefined)
    sections.push({
      title: `Errors of ${chosen.model}`,
      notes: [],
      tables: [
        apartTable(chosen, 'step', 'by step of the horizon'),
        apartTable(chosen, 'series', 'by series'),
        apartTable(chosen, 'window', 'by window'),
      ],
    })
  if (forecast !== undefined) sections.push({ title: 'Forecast', notes: [], tables: [forecastTable(forecast)] })
  return sections
}

function windowsText({ windows }: Backtest): string {
  const of = new Set(windows.map(({ window }) => window)).size
  const steps = windows[0]!.actual.length
  return (
    `Each method forecast ${steps} steps from ${of} moments of the past, each time knowing only what came before. ` +
    'MASE is the mean absolute error over that of repeating the season before; "in 80 %" is the share of values inside that interval.'
  )
}
