import { type BatchFiles, type BatchProgress, checkBatch, queueBatch, runBatch } from '../../batch/index.ts'
import type { BatchFlags } from '../batch.ts'
import { interruptible } from '../exit.ts'
import { thousands } from '../format.ts'
import { openBar } from '../progress.ts'
import { note } from '../terminal.ts'
import { openFlagged } from './batch-service.ts'

/** `nextx batch`. */
export async function batchAction(input: string, flags: BatchFlags): Promise<void> {
  await interruptible(async (signal) => {
    const bar = openBar('answering', 'requests')
    const show = ({ done, total, failed }: BatchProgress) =>
      bar.show(done, total, failed === 0 ? '' : `${thousands(failed)} with errors`)
    const files = { input, output: flags.out, onProgress: show }
    signal.addEventListener('abort', () => note('stopped; the same command goes on from here'))
    let summary: BatchProgress
    try {
      summary = await answered(files, flags, signal)
    } finally {
      bar.close()
    }
    const { total, failed } = summary
    note(`wrote ${flags.out}: ${thousands(total)} answers${failed === 0 ? '' : `, ${thousands(failed)} of them errors`}`)
  })
}

async function answered(files: BatchFiles, flags: BatchFlags, signal: AbortSignal): Promise<BatchProgress> {
  const { queue: url, queueName: name, concurrency } = flags
  if (url !== undefined) return queueBatch({ ...files, queue: { url, ...(name && { name }) }, onNotice: note, signal })
  // What is wrong with the requests is said before a model is loaded.
  await checkBatch(files.input, { signal })
  await using service = await openFlagged(flags, signal)
  return await runBatch({ ...files, service, ...(concurrency && { concurrency }), signal })
}
