import { type ApiError, apiErrorOf, bodyOf as errorBody, invalid } from '../serve/api-error.ts'
import type { Service } from '../serve/service.ts'
import { type BatchLine, bodyOf } from './batch-line.ts'
import type { LineResult } from './output-line.ts'
import { pause } from './waits.ts'

export interface AnswerLineOptions {
  /** Of the request. */
  readonly id: string
  /** Requests of the same caller share kept states. */
  readonly caller: string
  /** Tries while the service is busy. */
  readonly attempts: number
  readonly signal: AbortSignal
}

/** Tried again: too much to do, or not ready yet. */
const passing: ReadonlySet<number> = new Set([429, 503])

const firstWait = 250 // ms
const longestWait = 30_000 // ms

/** What the service answers to a line: errors too. Rejects with the signal's reason only. */
export async function answerLine(service: Service, line: BatchLine, options: AnswerLineOptions): Promise<LineResult> {
  const { attempts, signal } = options
  for (let attempt = 1; ; attempt++) {
    const outcome = await answerOnce(service, line, options)
    if (!('error' in outcome)) return outcome
    const { error } = outcome
    signal.throwIfAborted()
    if (!passing.has(error.status) || attempt >= attempts) return { status: error.status, body: { ...errorBody(error) } }
    await pause(waitAfter(attempt, error), signal)
  }
}

type Outcome = { readonly status: number; readonly body: Readonly<Record<string, unknown>> } | { readonly error: ApiError }

async function answerOnce(service: Service, line: BatchLine, { id, caller, signal }: AnswerLineOptions): Promise<Outcome> {
  try {
    if (line.body.stream === true)
      return { error: invalid('stream', 'a batch has no streams; leave `stream` out of its bodies', 'stream_in_batch') }
    const answer = await service.answer(line.url, bodyOf(line), { id, caller, signal })
    if (answer.kind === 'json') return { status: 200, body: { ...answer.body } }
    await answer.events.return()
    return { error: invalid('stream', `'${line.url}' answers in a stream`, 'stream_in_batch') }
  } catch (error) {
    return { error: apiErrorOf(error) }
  }
}

/** Twice as long each time, and no shorter than the service asks for. */
function waitAfter(attempt: number, { retryAfter = 0 }: ApiError): number {
  return Math.max(retryAfter * 1000, Math.min(longestWait, firstWait * 2 ** (attempt - 1)))
}
