import type { ObservedRequest, Outcome, RequestObserver, ServiceObserver, TokenCounts } from '../observer.ts'

/** What pino's loggers have, Fastify's among them. */
export interface Logger {
  info(fields: object, message: string): void
  warn(fields: object, message: string): void
  error(fields: object, message: string): void
}

/** One line for each request when it ends: what it was, how it ended, how long it took. Neither texts nor keys, ever. */
export function logObserver(logger: Logger): ServiceObserver {
  return { begin: (request) => new Logged(logger, request) }
}

class Logged implements RequestObserver {
  readonly #logger: Logger
  readonly #request: ObservedRequest
  readonly #start = performance.now()
  #model: string | undefined
  #first: number | undefined
  #waited: number | undefined
  #tokens: TokenCounts | undefined

  constructor(logger: Logger, request: ObservedRequest) {
    this.#logger = logger
    this.#request = request
  }

  model(name: string): void {
    this.#model = name
  }

  firstToken(milliseconds: number): void {
    this.#first ??= milliseconds
  }

  nextToken(): void {}

  tokens(counts: TokenCounts, waited: number | undefined): void {
    this.#tokens = counts
    this.#waited = waited
  }

  end(outcome: Outcome, code?: string, status?: number): void {
    const { id, path, caller, traceparent } = this.#request
    const times = { ms: performance.now() - this.#start, waitedMs: this.#waited, firstTokenMs: this.#first }
    const rounded = Object.entries(times).flatMap(([name, value]) =>
      value === undefined ? [] : [[name, Math.round(value * 10) / 10]],
    )
    const line = {
      id,
      path,
      ...(caller && { key: caller }),
      ...(this.#model && { model: this.#model }),
      outcome,
      ...(status !== undefined && { status }),
      ...(code !== undefined && { code }),
      ...Object.fromEntries(rounded),
      ...(this.#tokens && { tokens: this.#tokens }),
      ...(traceparent && { traceparent }),
    }
    const level = outcome === 'failed' ? 'error' : outcome === 'late' ? 'warn' : 'info'
    this.#logger[level](line, 'request')
  }
}
