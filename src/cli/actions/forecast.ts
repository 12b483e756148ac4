import { OptionError } from '../../base/errors.ts'
import { stampText } from '../../data/index.ts'
import { writeFileAtomic } from '../../platform/index.ts'
import { forecastPlot } from '../../plot/index.ts'
import { checkFuture } from '../../systems/check-frame.ts'
import { type Forecast, type Forecaster, fitForecaster, type LagCoefficients } from '../../systems/index.ts'
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
    const { tried, chosen, passedOver } = await tryMethods(read, flags, signal)
    for (const line of errorTable(tried, flags.level)) note(line)
    const { model, backtest } = chosen
    const { horizon, season, seed, option: options } = flags
    await using forecaster = await withProgress(model, (progress) =>
      fitForecaster(read.frame, { model, horizon, ...withoutUndefined({ season, seed, options }), ...progress, signal }),
    )
    const forecast = await forecaster.forecast({ levels: flags.level, signal })
    const rows = rowsOf(forecast, flags.level)
    if (flags.out !== undefined) {
      await writeFileAtomic(flags.out, `${rows.map((row) => row.map(csvCell).join(',')).join('\n')}\n`)
      note(`wrote ${flags.out}`)
    }
    if (flags.json === true) writeJson(objects(rows, model, tried))
    else writeLines(shown(rows, forecast))
    await writePlot(flags, () => forecastPlot(read.frame, forecast, { backtest }))
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
