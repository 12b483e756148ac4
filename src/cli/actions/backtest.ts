import { backtestPlot } from '../../plot/index.ts'
import { interruptible } from '../exit.ts'
import type { BacktestFlags } from '../forecast.ts'
import { writeJson, writeLines } from '../terminal.ts'
import { checkDrawing, writePlot, writeReport } from './drawings.ts'
import { errorTable, readTable } from './series.ts'
import { tryMethods } from './try-methods.ts'

/** `nextx backtest`. */
export async function backtestAction(path: string, flags: BacktestFlags): Promise<void> {
  await interruptible(async (signal) => {
    await checkDrawing(flags)
    const read = await readTable(path, flags)
    const { tried, chosen, passedOver } = await tryMethods(read, flags, signal)
    if (flags.json === true)
      writeJson({ frequency: read.frame.frequency, methods: tried.map(({ model, rows }) => ({ model, rows })) })
    else writeLines(errorTable(tried, flags.level))
    const backtests = tried.map(({ backtest }) => backtest)
    await writePlot(flags, () => backtestPlot(read.frame, chosen.backtest))
    await writeReport(flags, { source: path, read, backtests, passedOver })
  })
}
