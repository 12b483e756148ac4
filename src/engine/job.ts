import { DeadlineError } from '../base/errors.ts'
import type { Continuation, GeneratedToken } from '../decode/continuation.ts'
import type { StepperState } from '../decode/stepper.ts'
import type { Deadlines, ServiceOptions } from './engine-options.ts'
import { type StreamReader, TokenStream, type Usage } from './token-stream.ts'

/** One request of an engine: its tokens, its reader, its row and its timers. */
export class Job<State extends StepperState> {
  readonly id: number
  readonly continuation: Continuation
  readonly service: ServiceOptions
  readonly stream: TokenStream
  /** Resolves when nothing is held any more. */
  readonly released: Promise<void>
  /** While it has a row. */
  state: State | undefined
  /** From admission until its state is free again. */
  hasRow = false
  /** Its state can be kept for others. */
  sound = true
  submittedAt = 0
  waited: number | undefined
  reused = 0
  /** No token is to be chosen any more. */
  ended = false
  failure: { readonly error: unknown } | undefined
  stopWatching: (() => void) | undefined
  readonly #timers = new Map<keyof Deadlines, ReturnType<typeof setTimeout>>()
  readonly #onDeadline: (error: DeadlineError) => void
  #release: () => void = () => undefined
  /** Resolves when it has ended. */
  readonly #over: Promise<undefined>
  #settled: (nothing: undefined) => void = () => undefined

  constructor(id: number, continuation: Continuation, service: ServiceOptions, events: JobEvents<State>) {
    this.id = id
    this.continuation = continuation
    this.service = service
    this.#onDeadline = (error) => events.missed(this, error)
    this.stream = new TokenStream(readerOf(this, events))
    this.released = new Promise((resolve) => {
      this.#release = resolve
    })
    this.#over = new Promise((resolve) => {
      this.#settled = resolve
    })
  }

  /** Nothing once it has ended: it does not make the others wait for its constraint. */
  next(logits: Float32Array): Promise<GeneratedToken | undefined> {
    const { continuation } = this
    return Promise.race([continuation.prepare().then(() => continuation.next(logits)), this.#over])
  }

  usage(): Usage {
    const { promptLength, tokens } = this.continuation
    return {
      promptTokens: promptLength,
      reusedTokens: this.reused,
      generatedTokens: tokens.length - promptLength,
      waited: this.waited,
    }
  }

  begin(): void {
    this.submittedAt = performance.now()
    this.#arm('total')
    this.#arm('firstToken')
  }

  deliver(token: GeneratedToken): void {
    this.#disarm('firstToken')
    this.#arm('nextToken')
    this.stream.push(token)
  }

  /** The reader does not read: the next token may take its time. */
  rest(): void {
    this.#disarm('nextToken')
  }

  goOn(): void {
    this.#arm('nextToken')
  }

  /** Nothing will come any more. */
  settle(failure?: { readonly error: unknown }): void {
    this.ended = true
    this.failure = failure
    this.#settled(undefined)
    this.stopWatching?.()
    for (const timer of this.#timers.values()) clearTimeout(timer)
    this.#timers.clear()
  }

  release(): void {
    this.stream.end(this.failure)
    this.#release()
  }

  #arm(name: keyof Deadlines): void {
    const milliseconds = this.service.deadlines[name]
    if (milliseconds === undefined) return
    this.#disarm(name)
    const missed = () => this.#onDeadline(new DeadlineError(`the deadline '${name}' of ${milliseconds} ms is over`))
    this.#timers.set(name, setTimeout(missed, milliseconds))
  }

  #disarm(name: keyof Deadlines): void {
    clearTimeout(this.#timers.get(name))
    this.#timers.delete(name)
  }
}

export interface JobEvents<State extends StepperState> {
  began(job: Job<State>): void
  read(job: Job<State>, unread: number): void
  left(job: Job<State>): Promise<void>
  missed(job: Job<State>, error: DeadlineError): void
}

function readerOf<State extends StepperState>(job: Job<State>, events: JobEvents<State>): StreamReader {
  return {
    began: () => events.began(job),
    read: (unread) => events.read(job, unread),
    left: () => events.left(job),
    usage: () => job.usage(),
  }
}
