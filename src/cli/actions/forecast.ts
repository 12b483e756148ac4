import { stampText } from '../../data/index.ts'
import { writeFileAtomic } from '../../platform/index.ts'
import { type Forecast, fitForecaster } from '../../systems/index.ts'
import { interruptible } from '../exit.ts'
import type { ForecastFlags } from '../forecast.ts'
import { note, writeJson, writeLines } from '../terminal.ts'
import { errorTable, number, numberTable, readTable, tryMethods, withoutUndefined } from './series.ts'

/** `nextx forecast`. */
export async function forecastAction(path: string, flags: ForecastFlags): Promise<void> {
  await interruptible(async (signal) => {
    const read = await readTable(path, flags)
    const tried = await tryMethods(read, flags, signal)
    for (const line of errorTable(tried, flags.level)) note(line)
    const { model } = tried[0]!
    const { horizon, season } = flags
    const forecaster = await fitForecaster(read.frame, { model, horizon, ...withoutUndefined({ season }), signal })
    const forecast = await forecaster.forecast({ levels: flags.level, signal })
    const rows = rowsOf(forecast, flags.level)
    if (flags.out !== undefined) {
      await writeFileAtomic(flags.out, `${rows.map((row) => row.map(csvCell).join(',')).join('\n')}\n`)
      note(`wrote ${flags.out}`)
    }
    if (flags.json === true) writeJson(objects(rows, model, tried))
    else writeLines(shown(rows, forecast))
  })
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

function objects(rows: readonly (readonly (string | number)[])[], model: string, tried: readonly { model: string }[]) {
  const [head, ...others] = rows
  return { model, methods: tried, forecast: others.map((row) => Object.fromEntries(row.map((cell, i) => [head![i], cell]))) }
}

function csvCell(cell: string | number): string {
  const text = String(cell)
  return /[",\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text
}
