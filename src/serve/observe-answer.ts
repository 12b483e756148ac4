import { type ApiError, apiErrorOf } from './api-error.ts'
import { heldEvents } from './events.ts'
import type { Outcome, RequestObserver } from './observer.ts'
import type { Answer } from './service.ts'

const nothing = () => undefined

/** Tells nobody. */
export const silentObserver: RequestObserver = {
  model: nothing,
  firstToken: nothing,
  nextToken: nothing,
  tokens: nothing,
  end: nothing,
}

/** How a request ended that was answered with this error. */
export function outcomeOf({ status }: Pick<ApiError, 'status'>): Exclude<Outcome, 'finished' | 'aborted'> {
  if (status === 504) return 'late'
  return status >= 500 && status !== 503 ? 'failed' : 'refused'
}

/** Tells the observer how the answer ended, once: errors are ApiErrors from here on. */
export async function observed(observer: RequestObserver, signal: AbortSignal, run: () => Promise<Answer>): Promise<Answer> {
  const fail = (error: unknown): never => {
    const known = apiErrorOf(error)
    observer.end(signal.aborted ? 'aborted' : outcomeOf(known), known.code)
    throw known
  }
  const answer = await run().catch(fail)
  if (answer.kind === 'events') return { kind: 'events', events: observedEvents(answer.events, observer, fail) }
  observer.end('finished')
  return answer
}

function observedEvents(
  events: (Answer & { kind: 'events' })['events'],
  observer: RequestObserver,
  fail: (error: unknown) => never,
): typeof events {
  let ended = false
  const once = (end: () => void) => {
    if (!ended) end()
    ended = true
  }
  const told = (async function* () {
    try {
      yield* events
      once(() => observer.end('finished'))
    } catch (error) {
      ended = true
      fail(error)
    }
  })()
  return heldEvents(told, async () => {
    await events.return()
    once(() => observer.end('aborted'))
  })
}
