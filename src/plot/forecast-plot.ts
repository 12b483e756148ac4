import * as v from 'valibot'
import { OptionError } from '../base/errors.ts'
import { checkOptions, wholeNumber } from '../base/options.ts'
import { frequencyText, type Series, type SeriesFrame, seasonOf, stampAt } from '../data/index.ts'
import type { Backtest, Forecast, SeriesForecast } from '../systems/index.ts'
import { colours, draw, drawable, tint } from './draw.ts'
import { type Band, type Line, type Panel, panelMark } from './panel.ts'

export interface ForecastPlotOptions {
  /** Forecasts of the past, drawn over what came. */
  readonly backtest?: Backtest
  /** Values shown before the forecast. Default: four horizons or seasons, or as many as the backtest is long and a horizon more. */
  readonly history?: number
  /** Default: what is drawn, and by which method. */
  readonly title?: string
  /** Series drawn; a note says how many are left out. Default 12. */
  readonly maxSeries?: number
}

export type BacktestPlotOptions = Omit<ForecastPlotOptions, 'backtest'>

const entries = {
  history: v.optional(wholeNumber(1)),
  title: v.optional(v.string()),
  maxSeries: v.optional(wholeNumber(1, 100)),
}
const forecastSchema = v.strictObject({ ...entries, backtest: v.optional(v.looseObject({ windows: v.array(v.looseObject({})) })) })
const backtestSchema = v.strictObject(entries)

/**
 * Each series' last values, its forecast and its intervals, as SVG text; dates are those of the frame's time zone.
 * Throws OptionError on a forecast of series that the frame does not have.
 * @example
 * const { frame } = await readSeries('sales.csv')
 * const forecaster = await fitForecaster(frame, { model: 'ridge', horizon: 24 })
 * const svg = await forecastPlot(frame, await forecaster.forecast({ levels: [80, 95] }))
 */
export async function forecastPlot(frame: SeriesFrame, forecast: Forecast, options: ForecastPlotOptions = {}): Promise<string> {
  checkOptions(forecastSchema, options, 'forecastPlot')
  const { backtest, title = `Forecast by ${forecast.model}`, ...others } = options
  return picture(frame, { forecasts: forecast.series, backtest, model: forecast.model }, { title, ...others })
}

/** Forecasts of the past over what came, as SVG text. Throws OptionError on a backtest of series that the frame does not have. */
export async function backtestPlot(frame: SeriesFrame, backtest: Backtest, options: BacktestPlotOptions = {}): Promise<string> {
  checkOptions(backtestSchema, options, 'backtestPlot')
  const { title = `Forecasts of the past by ${backtest.model}`, ...others } = options
  return picture(frame, { forecasts: [], backtest, model: backtest.model }, { title, ...others })
}

interface Drawn {
  readonly forecasts: readonly SeriesForecast[]
  readonly backtest: Backtest | undefined
  readonly model: string
}

async function picture(
  frame: SeriesFrame,
  drawn: Drawn,
  options: BacktestPlotOptions & { readonly title: string },
): Promise<string> {
  const { forecasts, backtest } = drawn
  const windows = backtest?.windows ?? []
  for (const { id } of [...forecasts, ...windows])
    if (!frame.series.some((series) => series.id === id))
      throw new OptionError(`a forecast of '${id}'`, { expected: 'a forecast of series of the frame' })
  if (forecasts.length + windows.length === 0) throw new OptionError('a forecast of no series', { expected: 'at least one' })
  const ids = new Set([...forecasts, ...windows].map(({ id }) => id))
  const { maxSeries = 12, title, history } = options
  const chosen = frame.series.filter(({ id }) => ids.has(id))
  const shown = chosen.slice(0, maxSeries)
  const levels = levelsOf([...forecasts, ...windows])
  const panels = shown.map((series) => panelOf(series, { frame, drawn, levels, history }))
  const columns = shown.length === 1 ? 1 : 2
  const size = columns === 1 ? { width: 800, height: 320 } : { width: 400, height: 170 }
  return draw({
    description: drawable(title),
    title: { text: drawable(title), subtitle: subtitle(frame, chosen, shown.length), limit: 820, offset: 14 },
    layout: { columns, padding: { row: 66, column: 60 }, bounds: 'flush' },
    ...legendsOf(drawn, levels),
    marks: panels.map((panel) => panelMark(panel, frame, size)),
  })
}

function subtitle({ frequency, zone }: SeriesFrame, chosen: readonly Series[], shown: number): string {
  const clock = ['second', 'minute', 'hour'].includes(frequency.unit) ? `, times in ${zone}` : ''
  const every = `every ${frequencyText(frequency)}${clock}`
  if (chosen.length === 1) return drawable(`${chosen[0]!.id}, ${every}`)
  return shown === chosen.length
    ? `${shown} series, ${every}`
    : `The first ${shown} of ${chosen.length} series, ${every}; ${chosen.length - shown} are left out`
}

/** Widest first, as they are drawn. */
function levelsOf(forecasts: readonly SeriesForecast[]): number[] {
  return [...new Set(forecasts.flatMap(({ intervals }) => [...intervals.keys()]))].sort((a, b) => b - a)
}

/** The wider a band, the lighter. */
function bandColour(colour: string, levels: readonly number[], level: number): string {
  const [lightest, darkest] = colour === colours.past ? [0.12, 0.28] : [0.15, 0.5]
  const rank = levels.length === 1 ? 0.5 : levels.indexOf(level) / (levels.length - 1)
  return tint(colour, lightest + (darkest - lightest) * rank)
}

interface Asked {
  readonly frame: SeriesFrame
  readonly drawn: Drawn
  readonly levels: readonly number[]
  readonly history: number | undefined
}

function panelOf(series: Series, { frame, drawn, levels, history }: Asked): Panel {
  const forecasts = drawn.forecasts.filter(({ id }) => id === series.id)
  const windows = drawn.backtest?.windows.filter(({ id }) => id === series.id) ?? []
  const length = series.values.length
  const count = Math.min(length, history ?? defaultHistory(series, frame, [...forecasts, ...windows]))
  const stamps = Array.from({ length: count }, (_, i) => stampAt(frame, series, length - count + i))
  const past = windows.filter((window) => window.stamps[0]! >= stamps[0]!)
  const bands = (of: readonly SeriesForecast[], colour: string): Band[] =>
    levels.flatMap((level) =>
      of.flatMap(({ stamps: at, intervals }) => {
        const interval = intervals.get(level)
        return interval === undefined ? [] : [{ stamps: at, ...interval, colour: bandColour(colour, levels, level) }]
      }),
    )
  const lines = (of: readonly SeriesForecast[], colour: string): Line[] =>
    of.map(({ stamps: at, mean }) => ({ stamps: at, values: mean, colour, width: 2 }))
  return {
    ...(frame.series.length > 1 && { title: series.id }),
    bands: [...bands(past, colours.past), ...bands(forecasts, colours.forecast)],
    lines: [
      { stamps, values: series.values.subarray(length - count), colour: colours.values },
      ...lines(past, colours.past),
      ...lines(forecasts, colours.forecast),
    ],
    ...(forecasts.length > 0 && { border: stamps.at(-1)! }),
  }
}

function defaultHistory(series: Series, frame: SeriesFrame, forecasts: readonly SeriesForecast[]): number {
  const horizon = forecasts[0]!.mean.length
  const first = Math.min(...forecasts.map(({ stamps }) => stamps[0]!))
  const length = series.values.length
  let shown = Math.min(length, Math.max(4 * horizon, 4 * seasonOf(frame.frequency), 24))
  while (shown < length && stampAt(frame, series, length - shown + horizon) > first) shown = Math.min(length, shown + horizon)
  return shown
}

/** Scales that exist for their legends alone: what the colours mean. */
function legendsOf({ forecasts, backtest, model }: Drawn, levels: readonly number[]) {
  const lines: [string, string][] = [
    ['values', colours.values],
    ...(backtest === undefined ? [] : [['forecasts of the past', colours.past] satisfies [string, string]]),
    ...(forecasts.length === 0 ? [] : [[`forecast (${drawable(model)})`, colours.forecast] satisfies [string, string]]),
  ]
  const colour = forecasts.length === 0 ? colours.past : colours.forecast
  const bands = levels.map((level): [string, string] => [`${level} % interval`, bandColour(colour, levels, level)])
  const scaleOf = (name: string, pairs: readonly [string, string][]) => ({
    name,
    type: 'ordinal' as const,
    domain: pairs.map(([text]) => text),
    range: pairs.map(([, value]) => value),
  })
  const legend = { orient: 'bottom', direction: 'horizontal', columns: 6 } as const
  return {
    scales: [scaleOf('lines', lines), scaleOf('bands', bands)],
    legends: [
      { ...legend, stroke: 'lines', symbolType: 'stroke', symbolStrokeWidth: 2 },
      ...(bands.length === 0 ? [] : [{ ...legend, fill: 'bands', symbolType: 'square', symbolStrokeWidth: 0 }]),
    ],
  }
}
