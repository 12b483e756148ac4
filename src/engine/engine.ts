import { DeadlineError, LimitError, RuntimeError } from '../base/errors.ts'
import { type FinishReason, openContinuation } from '../decode/continuation.ts'
import type { Outputs, Stepper, StepperState } from '../decode/stepper.ts'
import type { TokenSource } from '../decode/token-source.ts'
import { nextTurn } from '../platform/next-turn.ts'
import { AbortWatch } from './abort-watch.ts'
import { disposed, refused } from './engine-errors.ts'
import {
  checkEngineOptions,
  checkServiceOptions,
  type EngineGenerateOptions,
  type EngineOptions,
  engineGenerateOptionNames,
} from './engine-options.ts'
import { type EngineStats, newCounters } from './engine-stats.ts'
import { Job, type JobEvents } from './job.ts'
import { PrefixCache } from './prefix-cache.ts'
import { Scheduler, type SchedulerLimits } from './scheduler.ts'
import type { GenerationStream } from './token-stream.ts'

/** Runs many requests on one stepper, a token of each at every step. */
export interface Engine extends TokenSource<EngineGenerateOptions>, AsyncDisposable {
  readonly vocabularySize: number
  readonly contextLength: number
  /**
   * Continues the prompt, with the same tokens as `generate` of nextx/decode whatever the company. The request takes its place in the
   * queue at the first `next()`, which rejects with BusyError when the queue is full, and DisposedError when the engine takes no more.
   * Everything else is checked at the call: throws what `generate` throws, and LimitError when the request needs more positions than
   * there ever are.
   * @example
   * await using engine = openEngine(stepper, { maxRows: 4 })
   * for await (const { token } of engine.generate(prompt, { maxTokens: 20, priority: -1 })) tokens.push(token)
   */
  generate(prompt: ArrayLike<number>, options?: EngineGenerateOptions): GenerationStream
  /** Takes no more requests, and resolves when those that it has are done. */
  drain(): Promise<void>
  stats(): EngineStats
  /** What is wrong inside; nothing, ever. */
  check(): string[]
}

/**
 * An engine over a stepper, which it does not own: dispose the engine first. Disposing ends all requests with a DisposedError.
 * Throws OptionError on an unknown option or a value out of range.
 * @example
 * await using engine = openEngine(stepper, { maxRows: 16, prefixCache: { bytes: 2 ** 28 } })
 * for await (const { text } of generateText(engine, tokenizer, 'Once upon', { priority: 1 })) process.stdout.write(text)
 */
export function openEngine<State extends StepperState>(stepper: Stepper<State>, options: EngineOptions<State> = {}): Engine {
  return new BatchEngine(stepper, options)
}

/** Milliseconds. */
const longestTurn = 4

/** One step feeds these tokens of one request. */
interface Feed<State extends StepperState> {
  readonly job: Job<State>
  readonly from: number
  readonly count: number
  readonly last: boolean
}

class BatchEngine<State extends StepperState> implements Engine, JobEvents<State> {
  readonly vocabularySize: number
  readonly contextLength: number
  readonly optionNames = engineGenerateOptionNames
  readonly #stepper: Stepper<State>
  readonly #limits: SchedulerLimits
  readonly #maxUnread: number
  readonly #scheduler: Scheduler
  readonly #cache: PrefixCache<State> | undefined
  readonly #counters = newCounters()
  readonly #aborts = new AbortWatch()
  /** Stops what the stepper is doing when the engine is disposed. */
  readonly #stop = new AbortController()
  /** From the first `next()` until everything is free. */
  readonly #jobs = new Map<number, Job<State>>()
  /** Ended, but not yet free. */
  readonly #leaving = new Set<Job<State>>()
  #idle: (() => void)[] = []
  #made = 0
  #looping = false
  #woken = false
  #draining = false

  constructor(stepper: Stepper<State>, options: EngineOptions<State>) {
    const { limits, maxUnread, cache } = checkEngineOptions(stepper, options)
    this.vocabularySize = stepper.vocabularySize
    this.contextLength = stepper.contextLength
    this.#stepper = stepper
    this.#limits = limits
    this.#maxUnread = maxUnread
    this.#scheduler = new Scheduler(limits)
    this.#cache = cache && new PrefixCache(stepper, cache)
  }

  generate(prompt: ArrayLike<number>, options: EngineGenerateOptions = {}): GenerationStream {
    const { service, others } = checkServiceOptions(options)
    // Without a length of its own, a request ends with what there is room for.
    const most = others.maxTokens === undefined ? this.#limits.maxSlots : this.contextLength
    const sizes = { vocabularySize: this.vocabularySize, contextLength: Math.min(this.contextLength, most) }
    const continuation = openContinuation(sizes, prompt, others)
    const need = continuation.promptLength + continuation.limit - 1
    if (need > this.#limits.maxSlots) {
      this.#counters.refused['too-long']++
      throw new LimitError(`the request needs ${need} positions`, {
        expected: `at most the engine's ${this.#limits.maxSlots}`,
        fix: 'lower maxTokens',
      })
    }
    return new Job(this.#made++, continuation, service, this).stream
  }

  async drain(): Promise<void> {
    this.#draining = true
    await this.#untilIdle()
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#draining = true
    this.#stop.abort(disposed())
    for (const job of [...this.#jobs.values()]) this.#cancel(job, { error: disposed() })
    await this.#untilIdle()
    await this.#cache?.clear()
  }

  stats(): EngineStats {
    return { now: this.#scheduler.load(), ...structuredClone(this.#counters), prefixCache: this.#cache?.load() }
  }

  check(): string[] {
    const problems = this.#scheduler.check()
    const { waiting, running, parked } = this.#scheduler.load()
    if (waiting + running + parked + this.#leaving.size !== this.#jobs.size) problems.push('a request that nobody looks after')
    return problems
  }

  // What readers and clocks do.

  began(job: Job<State>): void {
    const { continuation, service } = job
    continuation.signal?.throwIfAborted()
    if (this.#draining) {
      this.#counters.refused.draining++
      throw disposed()
    }
    const { promptLength, limit } = continuation
    const refusal = this.#scheduler.submit({ id: job.id, priority: service.priority, promptLength, maxTokens: limit })
    if (refusal !== undefined) {
      this.#counters.refused[refusal]++
      throw refused(refusal, this.#limits)
    }
    this.#counters.submitted++
    this.#counters.tokens.submitted += promptLength
    this.#jobs.set(job.id, job)
    job.begin()
    const { signal } = continuation
    if (signal !== undefined) job.stopWatching = this.#aborts.add(signal, () => this.#cancel(job, { error: signal.reason }))
    this.#wake()
  }

  read(job: Job<State>, unread: number): void {
    if (job.ended || !this.#scheduler.isPaused(job.id) || unread > this.#maxUnread / 2) return
    this.#scheduler.resume(job.id)
    job.goOn()
    this.#wake()
  }

  left(job: Job<State>): Promise<void> {
    if (!this.#jobs.has(job.id)) return Promise.resolve()
    this.#cancel(job)
    return job.released
  }

  missed(job: Job<State>, error: DeadlineError): void {
    this.#cancel(job, { error })
  }

  /** Ends a request at once for its reader; its row is left before the next step. */
  #cancel(job: Job<State>, failure?: { readonly error: unknown }): void {
    if (job.ended) return
    this.#counters[failure?.error instanceof DeadlineError ? 'late' : 'cancelled']++
    job.stream.end(failure, true)
    this.#end(job, failure)
  }

  #fail(job: Job<State>, error: unknown): void {
    if (job.ended) return
    this.#counters.failed++
    job.sound = false
    this.#end(job, { error })
  }

  #end(job: Job<State>, failure?: { readonly error: unknown }): void {
    job.settle(failure)
    this.#scheduler.remove(job.id)
    if (!job.hasRow && !job.continuation.holds) {
      this.#release(job)
      return
    }
    this.#leaving.add(job)
    this.#wake()
  }

  #release(job: Job<State>): void {
    this.#leaving.delete(job)
    this.#jobs.delete(job.id)
    job.release()
    if (this.#jobs.size === 0) this.#wake()
  }

  // The loop.

  #wake(): void {
    this.#woken = true
    if (this.#looping) return
    this.#looping = true
    void this.#loop()
  }

  async #loop(): Promise<void> {
    while (this.#woken) {
      // Even a stepper that never waits lets others have their turn.
      await nextTurn()
      this.#woken = false
      if (await this.#step().catch((error) => this.#failAll(error))) this.#woken = true
    }
    this.#looping = false
    if (this.#jobs.size === 0) for (const resolve of this.#idle.splice(0)) resolve()
  }

  /** False when nothing is left to do until somebody asks for something. */
  async #step(): Promise<boolean> {
    await this.#sweep()
    const { admitted, parked } = this.#scheduler.admit()
    const newcomers = admitted.map((id) => this.#jobs.get(id)!)
    for (const job of newcomers) job.hasRow = true
    for (const id of parked) await this.#park(this.#jobs.get(id)!)
    for (const job of newcomers) await this.#start(job)
    const start = performance.now()
    const { decode, prefill } = this.#scheduler.plan()
    await this.#feed(decode.map((id) => this.#lastTokenOf(this.#jobs.get(id)!)))
    await this.#feed(prefill.map(({ id, ...piece }) => ({ job: this.#jobs.get(id)!, ...piece })))
    if (decode.length + prefill.length > 0) this.#noteStep(performance.now() - start)
    await this.#sweep()
    return decode.length + prefill.length + admitted.length + this.#leaving.size > 0
  }

  async #start(job: Job<State>): Promise<void> {
    if (job.ended) return
    const { continuation, service } = job
    const begins = job.waited === undefined
    if (begins) this.#noteWait(job)
    try {
      const found = await this.#cache?.take(continuation.tokens, service.salt)
      job.state = found?.state ?? (await this.#stepper.open())
      if (found === undefined || job.ended) return
      this.#scheduler.fed(job.id, found.reused)
      if (!begins) return
      job.reused = found.reused
      this.#counters.tokens.reused += found.reused
    } catch (error) {
      this.#fail(job, error)
    }
  }

  #noteWait(job: Job<State>): void {
    job.waited = performance.now() - job.submittedAt
    const { waited } = this.#counters
    waited.requests++
    waited.total += job.waited
    waited.longest = Math.max(waited.longest, job.waited)
  }

  #noteStep(milliseconds: number): void {
    const { stepTime } = this.#counters
    this.#counters.steps++
    stepTime.total += milliseconds
    stepTime.longest = Math.max(stepTime.longest, milliseconds)
  }

  async #park(job: Job<State>): Promise<void> {
    this.#counters.parked++
    await this.#leaveRow(job)
  }

  #lastTokenOf(job: Job<State>): Feed<State> {
    return { job, from: job.continuation.tokens.length - 1, count: 1, last: true }
  }

  /** One call for all of them; when it fails each by itself, so that only those fail that cannot be fed. */
  async #feed(feeds: readonly Feed<State>[]): Promise<void> {
    const live = feeds.filter(({ job }) => !job.ended)
    if (live.length === 0) return
    // What constraints allow next is found out meanwhile; `#took` hears of their failures.
    for (const { job, last } of live) if (last) job.continuation.prepare().catch(() => undefined)
    const outputs = await this.#extend(live).catch((error: unknown) => ({ error }))
    if (Array.isArray(outputs)) await this.#takeAll(live, outputs)
    else if (live.length === 1 || this.#stop.signal.aborted) for (const { job } of live) this.#fail(job, outputs.error)
    else {
      this.#counters.retried++
      for (const feed of live) await this.#feed([feed])
    }
  }

  async #extend(feeds: readonly Feed<State>[]): Promise<Outputs[]> {
    const broken = feeds.find(({ job, from }) => job.state?.length !== from)
    if (broken !== undefined) {
      throw new RuntimeError(`a state holds ${broken.job.state?.length} tokens`, {
        expected: `${broken.from}, as many as were fed`,
      })
    }
    const batch = feeds.map(({ job, from, count }) => ({
      state: job.state!,
      tokens: job.continuation.tokens.slice(from, from + count),
    }))
    const logits = feeds.some(({ last }) => last) ? 'last' : 'none'
    return this.#stepper.extend(batch, { keep: 'append', logits, signal: this.#stop.signal })
  }

  /** Choosing of large vocabularies takes a while: others have their turn in between. */
  async #takeAll(feeds: readonly Feed<State>[], outputs: readonly Outputs[]): Promise<void> {
    const taking: Promise<void>[] = []
    let turn = performance.now()
    for (const [i, feed] of feeds.entries()) {
      taking.push(this.#took(feed, outputs[i]))
      if (performance.now() - turn < longestTurn) continue
      await nextTurn()
      turn = performance.now()
    }
    await Promise.all(taking)
  }

  async #took({ job, count, last }: Feed<State>, output: Outputs | undefined): Promise<void> {
    this.#counters.tokens.fed += count
    if (job.ended) return
    this.#scheduler.fed(job.id, count)
    if (!last) return
    try {
      await this.#choose(job, output!.logits)
    } catch (error) {
      this.#fail(job, error)
    }
  }

  async #choose(job: Job<State>, logits: Float32Array): Promise<void> {
    const token = await job.next(logits)
    if (token === undefined || job.ended) return
    this.#counters.tokens.generated++
    job.deliver(token)
    if (token.finish !== undefined) {
      this.#counters.finished[token.finish as Exclude<FinishReason, 'stop'>]++
      this.#end(job)
      return
    }
    this.#scheduler.sampled(job.id)
    if (job.stream.unread < this.#maxUnread) return
    this.#scheduler.pause(job.id)
    job.rest()
  }

  /** Frees what ended requests hold. Their readers learn of the end after that. */
  async #sweep(): Promise<void> {
    for (const job of [...this.#leaving]) {
      await this.#leaveRow(job)
      await job.continuation.close().catch(() => this.#counters.lost++)
      this.#release(job)
    }
  }

  /** Keeps the state for others, or closes it. */
  async #leaveRow(job: Job<State>): Promise<void> {
    const { state, continuation, service } = job
    job.state = undefined
    try {
      if (state === undefined) return
      if (this.#cache === undefined || !job.sound) await this.#stepper.close(state)
      else await this.#cache.put(state, continuation.tokens.slice(0, state.length), service.salt)
    } catch {
      this.#counters.lost++
    } finally {
      job.hasRow = false
    }
  }

  /** For errors that no request is to blame for. */
  #failAll(error: unknown): boolean {
    for (const job of this.#jobs.values()) this.#fail(job, error)
    return true
  }

  async #untilIdle(): Promise<void> {
    if (this.#jobs.size === 0 && !this.#looping) return
    await new Promise<void>((resolve) => this.#idle.push(resolve))
  }
}
