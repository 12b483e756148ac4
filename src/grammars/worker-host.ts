import { DisposedError, LimitError, RuntimeError } from '../base/errors.ts'
import { unpackError } from '../platform/error-border.ts'
import { nextTurn } from '../platform/next-turn.ts'
import type { ThreadEvents, WorkerThread } from '../platform/worker-thread.ts'
import type { GrammarHost, GrammarSource, HostHandles, Step } from './grammar-host.ts'
import type { HostMethod, HostReply, HostRequest } from './worker-protocol.ts'

/** Milliseconds that calls may take. */
export interface HostTimes {
  readonly compile: number
  readonly token: number
}

/** Milliseconds until a thread answers at all. */
const beginTime = 30_000

interface Call {
  readonly method: HostMethod
  readonly args: readonly unknown[]
  readonly limit: number
  /** Of which state; what the thread must know before. */
  readonly state?: MatcherState
  readonly resolve: (value: unknown) => void
  readonly reject: (error: unknown) => void
}

/** What is needed to begin a state anew in another thread. */
interface MatcherState {
  readonly id: number
  readonly source: GrammarSource
  readonly tokens: number[]
  /** The thread that has it. */
  thread: number
}

/**
 * Grammars in a thread, which does one call after the other. When a call takes too long or the thread fails, that call is rejected and the
 * thread is replaced; the others are done by the new one, where states begin anew with the tokens that they had.
 */
export class WorkerHost implements GrammarHost {
  /** Resolves when the library is there. */
  readonly ready: Promise<void>
  readonly #open: (events: ThreadEvents) => WorkerThread
  readonly #times: HostTimes
  readonly #states = new Map<number, MatcherState>()
  /** Sent and not answered, the oldest first. */
  readonly #sent = new Map<number, Call>()
  #thread: WorkerThread
  #threads = 0
  /** The present thread has answered something. */
  #alive = false
  #calls = 0
  #timer: ReturnType<typeof setTimeout> | undefined
  #ended: Error | undefined

  constructor(open: (events: ThreadEvents) => WorkerThread, times: HostTimes) {
    this.#open = open
    this.#times = times
    this.#thread = this.#begin()
    this.ready = this.#load()
  }

  async compile(source: GrammarSource): Promise<void> {
    await this.#call('compile', [source], this.#times.compile)
  }

  async open(id: number, source: GrammarSource, tokens: readonly number[]): Promise<void> {
    const state: MatcherState = { id, source, tokens: [...tokens], thread: -1 }
    this.#states.set(id, state)
    try {
      // Any call about a state opens it first.
      await this.#call('handles', [], this.#times.token, state)
    } catch (error) {
      this.#states.delete(id)
      throw error
    }
  }

  async allowed(id: number): Promise<Int32Array> {
    return (await this.#call('allowed', [id], this.#times.token, this.#at(id))) as Int32Array
  }

  async advance(id: number, token: number): Promise<Step> {
    const state = this.#at(id)
    const step = (await this.#call('advance', [id, token], this.#times.token, state)) as Step
    if (step !== 'refused') state.tokens.push(token)
    return step
  }

  async close(id: number): Promise<void> {
    const state = this.#states.get(id)
    this.#states.delete(id)
    if (this.#ended !== undefined || state?.thread !== this.#threads) return
    await this.#call('close', [id], this.#times.token)
  }

  async handles(): Promise<HostHandles> {
    return (await this.#call('handles', [], this.#times.token)) as HostHandles
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#end(new DisposedError('the grammars are disposed'))
    await this.#thread.terminate()
  }

  #end(error: Error): void {
    this.#ended ??= error
    clearTimeout(this.#timer)
    for (const { reject } of this.#sent.values()) reject(error)
    this.#sent.clear()
  }

  async #load(): Promise<void> {
    await this.#call('begin', [], beginTime)
  }

  #at(id: number): MatcherState {
    const state = this.#states.get(id)
    if (state === undefined) throw new DisposedError(`the state ${id} of a grammar is closed`)
    return state
  }

  #call(method: HostMethod, args: readonly unknown[], limit: number, state?: MatcherState): Promise<unknown> {
    if (this.#ended !== undefined) throw this.#ended
    return new Promise((resolve, reject) => this.#send({ method, args, limit, resolve, reject, ...(state && { state }) }))
  }

  #send(call: Call): void {
    const { state } = call
    if (state !== undefined && state.thread !== this.#threads) {
      state.thread = this.#threads
      const { id, source, tokens } = state
      // The thread then has no such state, nor will the next thread.
      const failed = (error: unknown) => {
        call.reject(error)
        for (const [number, sent] of this.#sent) if (sent === call) this.#sent.delete(number)
      }
      this.#post({
        method: 'open',
        args: [id, source, tokens],
        limit: this.#times.compile,
        resolve: () => undefined,
        reject: failed,
      })
    }
    this.#post(call)
  }

  #post(call: Call): void {
    const id = this.#calls++
    const first = this.#sent.size === 0
    this.#sent.set(id, call)
    this.#thread.hold()
    this.#thread.post({ id, method: call.method, args: call.args } satisfies HostRequest)
    if (first) this.#watch()
  }

  #took(reply: HostReply): void {
    this.#alive = true
    const call = this.#sent.get(reply.id)
    if (call === undefined) return
    this.#sent.delete(reply.id)
    this.#watch()
    if (this.#sent.size === 0) this.#thread.letGo()
    if (!('error' in reply)) {
      call.resolve(reply.value)
      return
    }
    const error = unpackError(reply.error)
    call.reject(error)
    // What the library holds after a failure is not to be trusted.
    if (error instanceof RuntimeError) this.#replace()
  }

  /** The oldest call is the one that is being done. */
  #watch(): void {
    clearTimeout(this.#timer)
    const [oldest] = this.#sent
    if (oldest === undefined) return
    const [id, { limit }] = oldest
    this.#timer = setTimeout(() => void this.#late(id, limit), limit)
  }

  async #late(id: number, limit: number): Promise<void> {
    // The answer may be here already, and wait for its turn behind this.
    await nextTurn()
    const call = this.#sent.get(id)
    if (call === undefined) return
    this.#sent.delete(id)
    const what = call.limit === this.#times.token ? 'one token' : 'the grammar'
    call.reject(new LimitError(`${what} took more than ${limit} ms`, { fix: 'simplify the grammar' }))
    this.#replace()
  }

  #failed(error: Error): void {
    // One that does not even begin has no successor.
    if (!this.#alive) {
      this.#end(error)
      return
    }
    const [oldest] = this.#sent
    if (oldest !== undefined) this.#sent.delete(oldest[0])
    oldest?.[1].reject(error)
    this.#replace()
  }

  /** Another thread, which gets the calls that were not done. */
  #replace(): void {
    if (this.#ended !== undefined) return
    void this.#thread.terminate()
    const waiting = [...this.#sent.values()].filter(({ method }) => method !== 'open' && method !== 'begin')
    this.#sent.clear()
    this.#alive = false
    this.#thread = this.#begin()
    this.#load().catch((error) => this.#end(error))
    for (const call of waiting) this.#send(call)
    this.#watch()
  }

  #begin(): WorkerThread {
    const number = ++this.#threads
    const isPresent = () => number === this.#threads && this.#ended === undefined
    const thread = this.#open({
      message: (message) => void (isPresent() && this.#took(message as HostReply)),
      ended: (error) => void (isPresent() && this.#failed(error)),
    })
    thread.letGo()
    return thread
  }
}
