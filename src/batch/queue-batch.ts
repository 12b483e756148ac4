import type { Job, Queue, QueueEvents } from 'bullmq'
import * as v from 'valibot'
import { callable, checkOptions, wholeNumber } from '../base/options.ts'
import { unlessAborted } from '../base/unless-aborted.ts'
import type { NumberedRequest } from './batch-input.ts'
import { type BatchFiles, type BatchProgress, type BatchRun, withBatch } from './batch-run.ts'
import { type LineResult, resultSchema } from './output-line.ts'
import { type BatchQueue, type Notice, queueField } from './queue-address.ts'
import { connectQueue, type QueueConnection } from './queue-connection.ts'
import { jobId, jobName, jobOf, lineOf } from './queue-job.ts'
import { fileFields } from './run-batch.ts'

export interface QueueBatchOptions extends BatchFiles {
  readonly queue: BatchQueue
  /** Most lines that are in Redis at a time. Default 1000. */
  readonly window?: number
  /** Milliseconds between two looks at all lines in Redis, for those whose end nobody told of. Default 2000. */
  readonly sweepInterval?: number
  /** Told when the connection is lost, when it is back, and when there are no workers. */
  readonly onNotice?: Notice
  readonly signal?: AbortSignal
}

const optionsSchema = v.strictObject({
  ...fileFields,
  queue: queueField,
  window: v.optional(wholeNumber(1, 100_000)),
  sweepInterval: v.optional(wholeNumber(10, 600_000)),
  onNotice: v.optional(callable),
})

/**
 * Answers all requests of a file by the workers of a queue (`workOnBatches`), which may die at any moment. The output is that of
 * `runBatch`. This process may die too: started again, it goes on with what is in the output and in Redis. A result leaves Redis when it is
 * on the disk; a line whose job Redis has lost is asked for again.
 * @returns counts of the output's lines.
 * @throws as `runBatch`; RuntimeError when bullmq or ioredis is not installed, or Redis does not answer at the start.
 * @example
 * await queueBatch({ queue: { url: 'redis://localhost:6379' }, input: 'in.jsonl', output: 'out.jsonl' })
 */
export async function queueBatch(options: QueueBatchOptions): Promise<BatchProgress> {
  checkOptions(optionsSchema, options, 'queueBatch')
  const { queue, window = 1000, sweepInterval = 2000, onNotice, signal = new AbortController().signal } = options
  await using connection = await connectQueue(queue, { signal, onNotice })
  return await withBatch(options, signal, async (run) => {
    await using collector = new Collector(connection, { run, signal, onNotice })
    await collector.collectAll({ window, sweepInterval })
  })
}

/** Lines of a pass through Redis. */
const chunk = 64
/** After which Redis may drop what nobody fetched: it is then done again. */
const keptFor = 7 * 24 * 3600 // s

interface Collecting {
  readonly run: BatchRun
  readonly signal: AbortSignal
  readonly onNotice?: Notice | undefined
}

class Collector implements AsyncDisposable {
  readonly #queue: Queue
  readonly #events: QueueEvents
  readonly #run: BatchRun
  readonly #signal: AbortSignal
  /** Lines that are in Redis, by their jobs. */
  readonly #waiting = new Map<string, NumberedRequest>()
  /** Of those: jobs of which an event says that they have ended. */
  readonly #ended = new Set<string>()
  readonly #onNotice: Notice
  #wake: () => void = () => undefined
  #alone = false

  constructor({ bullmq, client, name, another }: QueueConnection, { run, signal, onNotice = () => undefined }: Collecting) {
    const kept = { age: keptFor }
    const jobs = { removeOnComplete: kept, removeOnFail: kept, attempts: 1 }
    this.#queue = new bullmq.Queue(name, { connection: client, defaultJobOptions: jobs })
    this.#events = new bullmq.QueueEvents(name, { connection: another() })
    this.#run = run
    this.#signal = signal
    this.#onNotice = onNotice
    const ended = ({ jobId: id }: { readonly jobId: string }): void => {
      if (!this.#waiting.has(id)) return
      this.#ended.add(id)
      this.#wake()
    }
    this.#queue.on('error', () => undefined)
    this.#events
      .on('error', () => undefined)
      .on('completed', ended)
      .on('failed', ended)
  }

  async collectAll({ window, sweepInterval }: { readonly window: number; readonly sweepInterval: number }): Promise<void> {
    await this.#dropCollected()
    const pending = this.#run.pending(this.#signal)
    try {
      let more = await this.#fill(pending, window)
      while (more || this.#waiting.size > 0) {
        const swept = !(await this.#endOrTime(sweepInterval))
        await this.#collect(swept ? [...this.#waiting.keys()] : [...this.#ended])
        if (swept) await this.#lookForWorkers()
        if (more) more = await this.#fill(pending, window)
      }
    } finally {
      await pending.return()
    }
    await this.#dropCollected()
  }

  /** Jobs of lines that have an answer, which a crash left behind. */
  async #dropCollected(): Promise<void> {
    for (const id of await this.#redis(this.#queue.getRanges(['completed', 'failed'], 0, -1))) {
      const index = lineOf(this.#run.id, id)
      if (index !== undefined && this.#run.has(index)) await this.#redis(this.#queue.remove(id))
    }
  }

  /** Adds lines until the window is full; false when there are no more. A job that is there already stays as it is. */
  async #fill(pending: AsyncGenerator<NumberedRequest, void, void>, window: number): Promise<boolean> {
    while (this.#waiting.size < window) {
      const lines: NumberedRequest[] = []
      while (lines.length < chunk && this.#waiting.size + lines.length < window) {
        const { value } = await pending.next()
        if (value === undefined) break
        lines.push(value)
      }
      if (lines.length === 0) return false
      for (const line of lines) this.#waiting.set(this.#idOf(line), line)
      await this.#add(lines)
    }
    return true
  }

  async #add(lines: readonly NumberedRequest[]): Promise<void> {
    const jobs = lines.map((line) => ({
      name: jobName,
      data: jobOf(this.#run.id, line.request),
      opts: { jobId: this.#idOf(line) },
    }))
    await this.#redis(this.#queue.addBulk(jobs))
  }

  #idOf({ index }: NumberedRequest): string {
    return jobId(this.#run.id, index)
  }

  /** Whether a job has ended; false when that many milliseconds have passed without one. */
  #endOrTime(milliseconds: number): Promise<boolean> {
    if (this.#ended.size > 0) return Promise.resolve(true)
    const told = new Promise<boolean>((resolve) => {
      const timer = setTimeout(() => resolve(false), milliseconds)
      this.#wake = () => {
        clearTimeout(timer)
        resolve(true)
      }
    })
    return unlessAborted(told, this.#signal)
  }

  /** Says once that nobody works, until somebody does. */
  async #lookForWorkers(): Promise<void> {
    // Some hosts of Redis do not tell who is connected.
    const workers = await this.#redis(this.#queue.getWorkersCount().catch(() => 1))
    if (workers === 0 && !this.#alone) this.#onNotice("nobody works on the queue; start workers with 'nextx batch-worker'")
    this.#alone = workers === 0
  }

  /** Writes down the results of jobs that have ended, and adds those again that are gone. */
  async #collect(ids: readonly string[]): Promise<void> {
    for (let start = 0; start < ids.length; start += chunk) {
      const part = ids.slice(start, start + chunk)
      const jobs = await this.#redis(Promise.all(part.map((id) => this.#queue.getJob(id))))
      const ended: Job[] = []
      const gone: NumberedRequest[] = []
      for (const [place, id] of part.entries()) {
        const [line, job] = [this.#waiting.get(id)!, jobs[place]]
        if (job === undefined) gone.push(line)
        else if (typeof job.finishedOn === 'number') ended.push(job as Job)
        this.#ended.delete(id)
      }
      if (gone.length > 0) await this.#add(gone)
      await this.#settle(ended)
    }
  }

  async #settle(jobs: readonly Job[]): Promise<void> {
    if (jobs.length === 0) return
    for (const job of jobs) await this.#run.record(this.#waiting.get(job.id!)!, resultOf(job))
    // Only what is on the disk may leave Redis.
    await this.#run.sync()
    await this.#redis(Promise.all(jobs.map((job) => this.#queue.remove(job.id!))))
    for (const job of jobs) this.#waiting.delete(job.id!)
  }

  #redis<T>(command: Promise<T>): Promise<T> {
    return unlessAborted(command, this.#signal)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    // The connections are closed by their owner: asking Redis to, which may be away, could take for ever.
    this.#events.close().catch(() => undefined)
  }
}

function resultOf({ returnvalue, failedReason }: Job): LineResult {
  if (failedReason) return { error: { code: 'worker_failed', message: reasonOf(failedReason) } }
  const { success, output } = v.safeParse(resultSchema, returnvalue)
  return success ? output : { error: { code: 'bad_result', message: 'a worker gave something that is no result' } }
}

function reasonOf(failedReason: string): string {
  return /stalled/.test(failedReason)
    ? 'every worker that took this request died over it'
    : 'a worker could not make anything of this request'
}
