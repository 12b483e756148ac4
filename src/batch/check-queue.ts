import { checkOptions } from '../base/options.ts'
import { type BatchQueue, queueField } from './queue-address.ts'
import { connectQueue } from './queue-connection.ts'

/**
 * Finds out whether Redis is there, before anything is done that takes long.
 * @throws OptionError on a URL that is none of Redis; RuntimeError when the packages are not installed, or Redis does not answer in time.
 * @example
 * await checkQueue({ url: 'redis://localhost:6379' })
 */
export async function checkQueue(queue: BatchQueue, { signal }: { readonly signal?: AbortSignal } = {}): Promise<void> {
  checkOptions(queueField, queue, 'checkQueue')
  await using _connection = await connectQueue(queue, { signal: signal ?? new AbortController().signal })
}
