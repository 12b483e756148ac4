import { unlessAborted } from '../../base/unless-aborted.ts'
import { apiErrorOf } from '../api-error.ts'
import type { Answer, ServerEvent } from '../service.ts'
import { type Exchange, type RawReply, verdictOf } from './exchange.ts'
import { bodyWithId } from './http-errors.ts'

/** Headers of a stream that nothing on the way may hold back. */
export const streamHeaders = {
  'content-type': 'text/event-stream; charset=utf-8',
  'cache-control': 'no-store',
  'x-accel-buffering': 'no',
}

/**
 * Sends events as they come, the headers before the first. While a reader does not read, no more are asked for. Ends with an event that
 * holds the error where there is one. The generator is left in any case, and not waited for.
 */
export async function sendEvents(
  raw: RawReply,
  events: AsyncGenerator<ServerEvent, void, undefined>,
  { exchange, silence, failed }: { exchange: Exchange; silence: number; failed: (error: unknown) => void },
): Promise<void> {
  raw.flushHeaders()
  const alive = setInterval(() => {
    if (!raw.writableNeedDrain) raw.write(': still here\n\n')
  }, silence)
  try {
    for (;;) {
      const { done, value } = await unlessAborted(events.next(), exchange.signal)
      if (done === true) break
      alive.refresh()
      if (!raw.write(textOf(value))) await drained(raw, exchange.signal)
    }
  } catch (error) {
    if (exchange.wanted) {
      failed(error)
      const known = apiErrorOf(error)
      exchange.judge({ ...verdictOf(known), status: 200 })
      raw.write(`data: ${JSON.stringify(bodyWithId(known, exchange.id))}\n\n`)
    }
  } finally {
    clearInterval(alive)
    leave(events)
    raw.end()
  }
}

function textOf({ event, data }: ServerEvent): string {
  const name = event === undefined ? '' : `event: ${event}\n`
  return `${name}data: ${data === '[DONE]' ? data : JSON.stringify(data)}\n\n`
}

function drained(raw: RawReply, signal: AbortSignal): Promise<void> {
  return unlessAborted(new Promise((resolve) => raw.once('drain', resolve)), signal)
}

/** Tells a generator that nobody reads it any more, without waiting until it hears. */
export function leave(events: AsyncGenerator<ServerEvent, void, undefined>): void {
  events.return().catch(() => undefined)
}

/**
 * The answer, or after so many milliseconds of waiting a stream that will be it: clients give up on servers that say nothing while a model
 * is loaded. What goes wrong after that is an event.
 */
export async function answerInTime(answering: Promise<Answer>, milliseconds: number): Promise<Answer> {
  let timer: ReturnType<typeof setTimeout> | undefined
  const late = new Promise<Answer>((resolve) => {
    timer = setTimeout(() => resolve({ kind: 'events', events: eventsOf(answering) }), milliseconds)
  })
  return Promise.race([answering, late]).finally(() => clearTimeout(timer))
}

async function* eventsOf(answering: Promise<Answer>): AsyncGenerator<ServerEvent, void, undefined> {
  const answer = await answering
  if (answer.kind === 'events') yield* answer.events
  else yield { data: answer.body }
}

/** Whether a request asks for a stream, as all endpoints that have one spell it. */
export function wantsEvents(body: unknown): boolean {
  return typeof body === 'object' && body !== null && 'stream' in body && body.stream === true
}
