import { FormatError, OptionError } from '../../base/errors.ts'
import { type ReadSeries, stampText } from '../../data/index.ts'
import { readFileBytes, writeFileAtomic } from '../../platform/index.ts'
import { forecastPlot } from '../../plot/index.ts'
import { checkFuture } from '../../systems/check-frame.ts'
import { type Forecast, type Forecaster, fitForecaster, type LagCoefficients, restoreForecaster } from '../../systems/index.ts'
import { interruptible } from '../exit.ts'
import type { ForecastFlags } from '../forecast.ts'
import { note, writeJson, writeLines } from '../terminal.ts'
import { checkDrawing, writePlot, writeReport } from './drawings.ts'
import { errorTable, number, numberTable, readTable, withoutUndefined } from './series.ts'
import { type Tried, tryMethods, withProgress } from './try-methods.ts'

/** `nextx forecast`. */
export async function forecastAction(path: string, flags: ForecastFlags): Promise<void> {
  await interruptible(async (signal) => {
    await checkDrawing(flags)
    const read = await readTable(path, flags)
    for (const series of read.frame.series) checkFuture(series, read.frame, flags.horizon)
    const { tried, chosen, passedOver } = flags.from === undefined ? await tryMethods(read, flags, signal) : nothingTried
    for (const line of tried.length === 0 ? [] : errorTable(tried, flags.level)) note(line)
    await using forecaster = await forecasterFor(read, chosen?.model, flags, signal)
    const forecast = await forecaster.forecast({ history: read.frame, horizon: flags.horizon, levels: flags.level, signal })
    const rows = rowsOf(forecast, flags.level)
    if (flags.out !== undefined) {
      await writeFileAtomic(flags.out, `${rows.map((row) => row.map(csvCell).join(',')).join('\n')}\n`)
      note(`wrote ${flags.out}`)
    }
    if (flags.save !== undefined) {
      await writeFileAtomic(flags.save, JSON.stringify(forecaster))
      note(`wrote ${flags.save}`)
    }
    if (flags.json === true) writeJson(objects(rows, forecaster.model, tried))
    else writeLines(shown(rows, forecast))
    await writePlot(flags, () => forecastPlot(read.frame, forecast, withoutUndefined({ backtest: chosen?.backtest })))
    const backtests = tried.map((each) => each.backtest)
    const coefficients = coefficientsOf(forecaster)
    await writeReport(flags, {
      source: path,
      read,
      forecast,
      backtests,
      passedOver,
      ...(coefficients !== undefined && { coefficients }),
    })
  })
}

const nothingTried = { tried: [], chosen: undefined, passedOver: [] } as const

/** Fitted to the whole table, or what a file kept. */
async function forecasterFor(
  { frame }: ReadSeries,
  model: string | undefined,
  flags: ForecastFlags,
  signal: AbortSignal,
): Promise<Forecaster> {
  const { horizon, season, seed, option: options, from } = flags
  if (from !== undefined) return keptForecaster(from, flags)
  return withProgress(model!, (progress) =>
    fitForecaster(frame, { model: model!, horizon, ...withoutUndefined({ season, seed, options }), ...progress, signal }),
  )
}

async function keptForecaster(path: string, { model, option, season, seed }: ForecastFlags): Promise<Forecaster> {
  const given = Object.entries({ model: model === 'best' ? undefined : model, option, season, seed }).find(
    ([, value]) => value !== undefined,
  )
  if (given !== undefined)
    throw new OptionError(`--${given[0]} with --from, which says it already`, { fix: 'leave one of them out' })
  return restoreForecaster(parsedJson(path, new TextDecoder().decode(await readFileBytes(path))))
}

function parsedJson(path: string, text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    throw new FormatError(`'${path}' is no JSON`, { expected: 'a file that --save wrote' })
  }
}

/** Of linear methods. */
function coefficientsOf(forecaster: Forecaster): LagCoefficients | undefined {
  try {
    return forecaster.coefficients()
  } catch (error) {
    if (error instanceof OptionError) return undefined
    throw error
  }
}

/** A row of names, then one for each step of each series. */
function rowsOf({ series, model, ...grid }: Forecast, levels: readonly number[]): (string | number)[][] {
  const head = ['unique_id', 'ds', model, ...levels.flatMap((level) => [`lo-${level}`, `hi-${level}`])]
  return [
    head,
    ...series.flatMap(({ id, stamps, mean, intervals }) =>
      stamps.map((stamp, step) => [
        id,
        stampText(stamp, grid),
        mean[step]!,
        ...levels.flatMap((level) => [intervals.get(level)!.lower[step]!, intervals.get(level)!.upper[step]!]),
      ]),
    ),
  ]
}

function shown(rows: readonly (readonly (string | number)[])[], { series }: Forecast): string[] {
  const from = series.length === 1 ? 1 : 0
  const cells = rows.map((row) => row.slice(from).map((cell) => (typeof cell === 'number' ? number(cell) : cell)))
  return numberTable(cells, 2 - from)
}

function objects(rows: readonly (readonly (string | number)[])[], model: string, tried: readonly Tried[]) {
  const [head, ...others] = rows
  return {
    model,
    methods: tried.map(({ model: id, rows: errors }) => ({ model: id, rows: errors })),
    forecast: others.map((row) => Object.fromEntries(row.map((cell, i) => [head![i], cell]))),
  }
}

function csvCell(cell: string | number): string {
  const text = String(cell)
  return /[",\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text
}
