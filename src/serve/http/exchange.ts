import type { FastifyReply, FastifyRequest } from 'fastify'
import { DeadlineError } from '../../base/errors.ts'
import type { ApiError } from '../api-error.ts'
import { outcomeOf } from '../observe-answer.ts'
import type { Outcome, RequestObserver } from '../observer.ts'
import type { Call } from '../service.ts'

export type Socket = FastifyRequest['raw']['socket']
export type RawReply = FastifyReply['raw']

/** How an answer ended, as far as the server is concerned. */
export interface Verdict {
  readonly outcome: Outcome
  readonly status: number
  readonly code?: string
}

export function verdictOf({ status, code }: ApiError): Verdict {
  return { outcome: outcomeOf({ status }), status, code }
}

/** Why an answer is not wanted any more. */
class LeftError extends Error {}

/** One request, from its headers until its answer is sent or nobody wants it. */
export class Exchange {
  readonly id: string
  readonly observer: RequestObserver
  readonly #caller: string
  readonly #raw: RawReply
  readonly #controller = new AbortController()
  readonly #guard: ReturnType<typeof setTimeout>
  readonly #ended: () => void
  /** Bytes of its body, which are held until it ends. */
  held = 0
  #verdict: Verdict = { outcome: 'finished', status: 200 }
  #open = true

  /** `patience`: milliseconds after which the answer is given up, whatever its endpoint does. */
  constructor(raw: RawReply, who: { id: string; caller: string; observer: RequestObserver }, patience: number, ended: () => void) {
    this.#raw = raw
    this.id = who.id
    this.observer = who.observer
    this.#caller = who.caller
    this.#ended = ended
    this.#guard = setTimeout(() => this.#giveUp(), patience)
    // Writing to a client that has gone is no reason to end the process.
    raw.on('error', () => undefined)
    raw.once('close', () => (raw.writableFinished ? this.#end(this.#verdict) : this.leave()))
  }

  get call(): Call {
    return { id: this.id, signal: this.signal, caller: this.#caller, observer: this.observer }
  }

  get signal(): AbortSignal {
    return this.#controller.signal
  }

  /** Whether somebody is there to be answered. */
  get wanted(): boolean {
    return !(this.signal.reason instanceof LeftError)
  }

  get begun(): boolean {
    return this.#raw.headersSent
  }

  /** What was answered. The first verdict counts. */
  judge(verdict: Verdict): void {
    if (this.#verdict.outcome === 'finished') this.#verdict = verdict
  }

  /** The client has gone. */
  leave(): void {
    this.#controller.abort(new LeftError('the client has left'))
    this.#end({ ...this.#verdict, outcome: this.#verdict.outcome === 'finished' ? 'aborted' : this.#verdict.outcome })
  }

  /** Ends the work; the client is told why. */
  abort(reason: Error): void {
    this.#controller.abort(reason)
  }

  #giveUp(): void {
    this.abort(new DeadlineError('the answer took longer than the server allows'))
    // A client that does not even read the error is let go of.
    setTimeout(() => this.#raw.destroy(), lastWords).unref()
  }

  #end({ outcome, code, status }: Verdict): void {
    if (!this.#open) return
    this.#open = false
    clearTimeout(this.#guard)
    this.observer.end(outcome, code, status)
    this.#ended()
  }
}

/** Milliseconds in which a client that is told why its answer ends may read that. */
export const lastWords = 1_000
