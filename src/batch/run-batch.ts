import * as v from 'valibot'
import { callable, checkOptions, wholeNumber } from '../base/options.ts'
import { serveLimits } from '../serve/limits.ts'
import type { Service } from '../serve/service.ts'
import { answerLine } from './answer-line.ts'
import { indexBatch } from './batch-input.ts'
import { type BatchFiles, type BatchProgress, withBatch } from './batch-run.ts'
import { requestId } from './output-line.ts'
import { forEachAtOnce } from './waits.ts'

export interface RunBatchOptions extends BatchFiles {
  readonly service: Service
  /** Requests at once. Default: as many as a service runs rows by default. */
  readonly concurrency?: number
  /** Tries of a request while the service is busy. Default 10: some two minutes. */
  readonly attempts?: number
  /** Most milliseconds between two times at which what is written is put on the disk. Default 1000. */
  readonly flushInterval?: number
  readonly signal?: AbortSignal
}

export const fileFields = {
  input: v.pipe(v.string(), v.minLength(1)),
  output: v.pipe(v.string(), v.minLength(1)),
  onProgress: v.optional(callable),
  signal: v.optional(v.instance(AbortSignal)),
}

export const serviceFields = {
  service: v.custom<Service>((value) => typeof value === 'object' && value !== null && 'answer' in value, 'expected a service'),
  concurrency: v.optional(wholeNumber(1, 4096)),
  attempts: v.optional(wholeNumber(1, 1000)),
}

const optionsSchema = v.strictObject({ ...fileFields, ...serviceFields, flushInterval: v.optional(wholeNumber(0, 3_600_000)) })

/**
 * Answers all requests of a file in OpenAI's batch format with a service of this process. The output has one line for each line of the
 * input, in its order, whatever happens; a run that was stopped or killed at any moment goes on when it is started again.
 * @returns counts of the output's lines.
 * @throws DataError when the input has a line that is none of the format, or the output is that of another input; BusyError when another
 * run has the output; the signal's reason after an abort. What a single request gets wrong is said by its line.
 * @example
 * const { total, failed } = await runBatch({ service, input: 'in.jsonl', output: 'out.jsonl' })
 */
export async function runBatch(options: RunBatchOptions): Promise<BatchProgress> {
  checkOptions(optionsSchema, options, 'runBatch')
  const { service, concurrency = serveLimits().runningRows, attempts = 10, flushInterval = 1000, signal } = options
  const stopped = signal ?? new AbortController().signal
  return withBatch(options, stopped, async (run) => {
    const flush = flusher(() => run.sync(), flushInterval)
    await forEachAtOnce(run.pending(stopped), { width: concurrency, signal: stopped }, async (at, either) => {
      const { request } = at
      const id = requestId(request.id)
      await run.record(at, await answerLine(service, request, { id, caller: run.id, attempts, signal: either }))
      await flush()
    })
  })
}

/**
 * How many requests a file has.
 * @throws DataError with the number of the line that is none of OpenAI's batch format.
 * @example
 * const requests = await checkBatch('in.jsonl')
 */
export async function checkBatch(input: string, { signal }: { readonly signal?: AbortSignal } = {}): Promise<number> {
  return (await indexBatch(input, signal)).count
}

/** Syncs when that was so long ago. */
function flusher(sync: () => Promise<void>, interval: number): () => Promise<void> {
  let last = performance.now()
  return async () => {
    if (performance.now() - last < interval) return
    last = performance.now()
    await sync()
  }
}
