import type { FinishReason } from '../decode/continuation.ts'
import type { PrefixCacheLoad } from './prefix-cache.ts'
import type { Refusal, SchedulerLoad } from './scheduler.ts'

/** What an engine has done since it was opened, and what it holds now. */
export interface EngineStats {
  /** Requests and positions at this moment. */
  readonly now: SchedulerLoad
  readonly steps: number
  /** Milliseconds that they took. */
  readonly stepTime: { readonly total: number; readonly longest: number }
  readonly submitted: number
  readonly finished: Readonly<Record<Exclude<FinishReason, 'stop'>, number>>
  /** Left by their readers, or aborted. */
  readonly cancelled: number
  /** Ended by an error of the stepper, a rule or a constraint. */
  readonly failed: number
  /** Ended by a deadline. */
  readonly late: number
  readonly refused: Readonly<Record<Refusal | 'draining', number>>
  /** Calls of several rows that failed, after which each row was tried alone. */
  readonly retried: number
  /** Rows that gave way while their reader did not read. */
  readonly parked: number
  /** States that could not be closed. */
  readonly lost: number
  readonly tokens: {
    /** Of prompts. */
    readonly submitted: number
    /** Of prompts: those that came from the prefix cache. */
    readonly reused: number
    /** All that were fed to the stepper. */
    readonly fed: number
    readonly generated: number
  }
  /** Milliseconds from `next()` to a row, over the requests that got one. */
  readonly waited: { readonly requests: number; readonly total: number; readonly longest: number }
  readonly prefixCache: PrefixCacheLoad | undefined
}

type Writable<T> = T extends object ? { -readonly [Key in keyof T]: Writable<T[Key]> } : T

/** The part of the statistics that only ever grows. */
export type Counters = Writable<Omit<EngineStats, 'now' | 'prefixCache'>>

export function newCounters(): Counters {
  return {
    steps: 0,
    stepTime: { total: 0, longest: 0 },
    submitted: 0,
    finished: { 'end-token': 0, complete: 0, length: 0 },
    cancelled: 0,
    failed: 0,
    late: 0,
    refused: { 'queue-full': 0, 'queue-tokens': 0, 'too-long': 0, draining: 0 },
    retried: 0,
    parked: 0,
    lost: 0,
    tokens: { submitted: 0, reused: 0, fed: 0, generated: 0 },
    waited: { requests: 0, total: 0, longest: 0 },
  }
}
