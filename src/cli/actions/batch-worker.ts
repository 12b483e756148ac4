import { checkQueue, workOnBatches } from '../../batch/index.ts'
import type { BatchWorkerFlags } from '../batch.ts'
import { interruptible } from '../exit.ts'
import { thousands } from '../format.ts'
import { note } from '../terminal.ts'
import { openFlagged } from './batch-service.ts'

/** `nextx batch-worker`. */
export async function batchWorkerAction(flags: BatchWorkerFlags): Promise<void> {
  const { queue: url, queueName: name, concurrency, lock } = flags
  await interruptible(async (signal) => {
    const queue = { url, ...(name && { name }) }
    // A queue that is not there is said before a model is loaded.
    await checkQueue(queue, { signal })
    await using service = await openFlagged(flags, signal)
    note('working; Ctrl-C stops it')
    // A dead worker is noticed in a third of the time more.
    const lockTime = lock === undefined ? undefined : Math.max(100, Math.round(lock * 1000))
    const times = lockTime !== undefined && { lockTime, stalledInterval: Math.max(50, Math.round(lockTime / 3)) }
    const answered = await workOnBatches({
      service,
      queue,
      ...(concurrency && { concurrency }),
      ...times,
      onNotice: note,
      signal,
    })
    note(`answered ${thousands(answered)} requests`)
  })
}
