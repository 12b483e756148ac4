import { backtestPlot } from '../../plot/index.ts'
import { interruptible } from '../exit.ts'
import type { BacktestFlags } from '../forecast.ts'
import { writeJson, writeLines } from '../terminal.ts'
import { checkDrawing, writePlot, writeReport } from './drawings.ts'
import { errorTable, readTable, tryMethods } from './series.ts'

/** `nextx backtest`. */
export async function backtestAction(path: string, flags: BacktestFlags): Promise<void> {
  await interruptible(async (signal) => {
    await checkDrawing(flags)
    const read = await readTable(path, flags)
    const { tried, passedOver } = await tryMethods(read, flags, signal)
    if (flags.json === true)
      writeJson({ frequency: read.frame.frequency, methods: tried.map(({ model, rows }) => ({ model, rows })) })
    else writeLines(errorTable(tried, flags.level))
    const backtests = tried.map(({ backtest }) => backtest)
    await writePlot(flags, () => backtestPlot(read.frame, backtests[0]!))
    await writeReport(flags, { source: path, read, backtests, passedOver })
  })
}
