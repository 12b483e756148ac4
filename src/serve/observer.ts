/** How a request ended. */
export type Outcome = 'finished' | 'refused' | 'aborted' | 'late' | 'failed'

export interface TokenCounts {
  readonly prompt: number
  /** Of the prompt's: those whose state came from the prefix cache. */
  readonly cached: number
  readonly generated: number
}

/** One request on its way, for whoever counts, logs or traces. */
export interface RequestObserver {
  /** Known once the body is read and the model found. */
  model(name: string): void
  /** The first token of an answer, so many milliseconds after the request. */
  firstToken(milliseconds: number): void
  /** Another token of the same answer, so many milliseconds after the one before. */
  nextToken(milliseconds: number): void
  /** At the end, of all answers together. `waited`: milliseconds until it had a row. */
  tokens(counts: TokenCounts, waited: number | undefined): void
  /** Once, and last. `code` of an error; `status` of what was answered over HTTP. */
  end(outcome: Outcome, code?: string, status?: number): void
}

export interface ObservedRequest {
  /** Of the endpoint, with `:name` for what varies; `(unknown)` for what is none. */
  readonly path: string
  readonly id: string
  /** Name of the key, where there is one. */
  readonly caller?: string
  /** W3C trace context that the request came with. */
  readonly traceparent?: string
  readonly tracestate?: string
}

export interface ServiceObserver {
  /** A request of an endpoint begins. */
  begin(request: ObservedRequest): RequestObserver
}
