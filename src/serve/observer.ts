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
  /** Once, and last. `code` of an error. */
  end(outcome: Outcome, code?: string): void
}

export interface ServiceObserver {
  /** A request of an endpoint begins. */
  begin(request: { readonly path: string; readonly id: string }): RequestObserver
}
