import type { Job, Worker } from 'bullmq'
import * as v from 'valibot'
import { callable, checkOptions, wholeNumber } from '../base/options.ts'
import { serveLimits } from '../serve/limits.ts'
import type { Service } from '../serve/service.ts'
import { answerLine } from './answer-line.ts'
import { type LineResult, requestId } from './output-line.ts'
import { type BatchQueue, type Notice, queueField } from './queue-address.ts'
import { connectQueue, type QueueConnection } from './queue-connection.ts'
import { jobSchema } from './queue-job.ts'
import { serviceFields } from './run-batch.ts'
import { SignalGroup } from './signal-group.ts'

export interface WorkOnBatchesOptions {
  readonly service: Service
  readonly queue: BatchQueue
  /** Requests at once. Default: as many as a service runs rows by default. */
  readonly concurrency?: number
  /** Tries of a request while the service is busy. Default 10. */
  readonly attempts?: number
  /** Milliseconds for which a request is this worker's unless it says again that it works on it. Default 15 000. */
  readonly lockTime?: number
  /** Milliseconds between two looks for requests whose worker has died. They are given to others after at most this twice, and `lockTime`. Default 5000. */
  readonly stalledInterval?: number
  /** Workers that may die over a request before it is answered with an error. Default 1000. */
  readonly mostDeaths?: number
  /** Called after each request with their number so far. */
  readonly onAnswer?: (answered: number) => void
  /** Told when the connection is lost, and when it is back. */
  readonly onNotice?: Notice
  /** Ends the work; requests that are under way go back to the queue. */
  readonly signal: AbortSignal
}

const optionsSchema = v.strictObject({
  ...serviceFields,
  queue: queueField,
  lockTime: v.optional(wholeNumber(100, 3_600_000)),
  stalledInterval: v.optional(wholeNumber(50, 3_600_000)),
  mostDeaths: v.optional(wholeNumber(1, 1_000_000)),
  onAnswer: v.optional(callable),
  onNotice: v.optional(callable),
  signal: v.instance(AbortSignal),
})

/**
 * Answers requests of the batches in a queue (`queueBatch`) with a service of this process, until the signal aborts. Any number of workers
 * may share a queue, and may be killed at any moment: what they had is then done by others.
 * @returns how many requests it answered.
 * @throws RuntimeError when bullmq or ioredis is not installed, or Redis does not answer at the start.
 * @example
 * await workOnBatches({ service, queue: { url: 'redis://localhost:6379' }, signal })
 */
export async function workOnBatches(options: WorkOnBatchesOptions): Promise<number> {
  checkOptions(optionsSchema, options, 'workOnBatches')
  const { queue, onNotice, onAnswer = () => undefined, signal } = options
  await using connection = await connectQueue(queue, { signal, onNotice })
  using group = new SignalGroup(signal)
  let answered = 0
  const worker = openWorker(connection, options, async (job, token) => {
    const result = await answerJob(job, token, { connection, group, options })
    onAnswer(++answered)
    return result
  })
  worker.on('error', () => undefined)
  await new Promise<void>((resolve) => {
    if (signal.aborted) resolve()
    signal.addEventListener('abort', () => resolve(), { once: true })
  })
  await closed(worker)
  return answered
}

type Processor = (job: Job, token: string | undefined) => Promise<LineResult>

function openWorker({ bullmq, client, name }: QueueConnection, options: WorkOnBatchesOptions, run: Processor): Worker {
  const { concurrency = serveLimits().runningRows, lockTime = 15_000, stalledInterval = 5000, mostDeaths = 1000 } = options
  return new bullmq.Worker(name, run, {
    connection: client,
    concurrency,
    lockDuration: lockTime,
    stalledInterval,
    maxStalledCount: mostDeaths,
    // Milliseconds until the loop goes on after Redis was away.
    runRetryDelay: 1000,
  })
}

interface Processing {
  readonly connection: QueueConnection
  readonly group: SignalGroup
  readonly options: WorkOnBatchesOptions
}

async function answerJob(job: Job, token: string | undefined, { connection, group, options }: Processing): Promise<LineResult> {
  const { bullmq } = connection
  const { service, attempts = 10 } = options
  const data = v.safeParse(jobSchema, job.data)
  if (!data.success) throw new bullmq.UnrecoverableError('not a line of a batch')
  const { batch, id, ...line } = data.output
  try {
    return await group.run((signal) => answerLine(service, line, { id: requestId(id), caller: batch, attempts, signal }))
  } catch {
    // Only an abort comes here. Where Redis is away the job comes back when its lock has run out.
    await job.moveToWait(token).catch(() => undefined)
    throw new bullmq.WaitingError()
  }
}

const patience = 3000 // ms

/** What is under way has been aborted, and ends soon; a Redis that is away is not waited for. */
async function closed(worker: Worker): Promise<void> {
  let timer: ReturnType<typeof setTimeout> | undefined
  const late = new Promise<void>((resolve) => {
    timer = setTimeout(resolve, patience)
  })
  const closing = worker.close().catch(() => undefined)
  await Promise.race([closing, late.then(() => void worker.disconnect().catch(() => undefined))])
  clearTimeout(timer)
}
