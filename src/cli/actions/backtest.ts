import { interruptible } from '../exit.ts'
import type { BacktestFlags } from '../forecast.ts'
import { writeJson, writeLines } from '../terminal.ts'
import { errorTable, readTable, tryMethods } from './series.ts'

/** `nextx backtest`. */
export async function backtestAction(path: string, flags: BacktestFlags): Promise<void> {
  await interruptible(async (signal) => {
    const read = await readTable(path, flags)
    const tried = await tryMethods(read, flags, signal)
    if (flags.json === true)
      writeJson({ frequency: read.frame.frequency, methods: tried.map(({ model, rows }) => ({ model, rows })) })
    else writeLines(errorTable(tried, flags.level))
  })
}
