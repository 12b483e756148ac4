import type { EngineStats } from '../engine/index.ts'
import type { RequestObserver } from './observer.ts'

/** An event of a stream: `data` becomes JSON, except the word that ends OpenAI's streams. */
export interface ServerEvent {
  readonly event?: string
  readonly data: object | '[DONE]'
}

/** What an endpoint answers: at once, or bit by bit. Leaving the events leaves the request. */
export type Answer =
  | { readonly kind: 'json'; readonly body: object }
  | { readonly kind: 'events'; readonly events: AsyncGenerator<ServerEvent, void, undefined> }

/** Who asks, and until when. */
export interface Call {
  /** Of the request: answers and logs name it. */
  readonly id: string
  /** Aborts when nobody wants the answer any more. */
  readonly signal: AbortSignal
  /** Requests share kept states only with those of the same caller. */
  readonly caller: string
  readonly observer: RequestObserver
}

/** Parts of a path, such as `{ model }`. */
export type PathParameters = Readonly<Record<string, string>>

export interface Endpoint {
  readonly method: 'GET' | 'POST'
  /** With `:name` for what varies. */
  readonly path: string
  /**
   * Checks the body, and answers. Rejects with what `apiErrorOf` turns into an answer, before anything is said; errors after that are
   * thrown by the events.
   */
  answer(request: { readonly body: unknown; readonly parameters: PathParameters }, call: Call): Promise<Answer>
}

export interface ModelState {
  readonly name: string
  readonly kind: 'text' | 'pictures' | 'series'
  readonly loaded: boolean
  /** Requests that use it now. */
  readonly users: number
  /** Bytes that it holds, or will hold by estimate. */
  readonly bytes: number
  /** Of a loaded text model. */
  readonly engine?: EngineStats
  /** Bytes of keys and values of a loaded text model. */
  readonly stateBytes?: number
}

export interface AnswerOptions {
  readonly signal?: AbortSignal
  /** Requests share kept states only with those of the same caller. Default ''. */
  readonly caller?: string
  /** Default: a new one. */
  readonly id?: string
}

/** Models by name, and what can be asked of them: the same in process and over HTTP. */
export interface Service extends AsyncDisposable {
  readonly endpoints: readonly Endpoint[]
  /**
   * Answers a request as the HTTP server would, for example `answer('/v1/completions', { model, prompt })`. Rejects with ApiError.
   */
  answer(path: string, body?: unknown, options?: AnswerOptions): Promise<Answer>
  /** Loads the models that are to be there from the start, and lets each say something. */
  warmUp(signal?: AbortSignal): Promise<void>
  /** Whether it has been warmed up, does not drain, and finds nothing wrong inside. */
  readonly ready: boolean
  models(): readonly ModelState[]
  /** What is wrong inside; nothing, ever. */
  check(): readonly string[]
  /** Takes no more requests, and resolves when those that it has are done. */
  drain(): Promise<void>
}
