import * as v from 'valibot'
import { OptionError } from '../base/errors.ts'
import { callable, checkOptions, wholeNumber } from '../base/options.ts'
import { checkInteger, checkKeys, checkStepper } from '../decode/checks.ts'
import { type GenerateOptions, generateOptionNames } from '../decode/continuation.ts'
import type { Stepper, StepperState } from '../decode/stepper.ts'
import type { SchedulerLimits } from './scheduler.ts'

export interface PrefixCacheOptions<State extends StepperState = StepperState> {
  /** Most bytes that finished states may keep, beside those of the running requests. */
  readonly bytes: number
  /** Bytes that closing a state would free. Default: what the stepper says. */
  readonly bytesOf?: ((state: State) => number) | undefined
}

export interface EngineOptions<State extends StepperState = StepperState> {
  /** Most requests running at once. Default 8. */
  readonly maxRows?: number | undefined
  /** Most positions of all running requests, counting what each may still grow to. Default: as many as `maxRows` full contexts. */
  readonly maxSlots?: number | undefined
  /** Most requests that wait for a row. Default 128. */
  readonly maxWaiting?: number | undefined
  /** Most tokens that wait for a row; a single request always may. Default 2^18. */
  readonly maxWaitingTokens?: number | undefined
  /** Most prompt tokens fed in one step: what a long prompt may hold up the others. Default 256. */
  readonly chunk?: number | undefined
  /** How many requests may go ahead of an earlier one that is a single priority less urgent. Default 16. */
  readonly overtake?: number | undefined
  /** A row rests when its reader has left this many tokens unread. Default 16. */
  readonly maxUnread?: number | undefined
  /** Keep finished states, so that a prompt that begins like an earlier one is not computed again. Default: none are kept. */
  readonly prefixCache?: PrefixCacheOptions<State> | undefined
}

/** In milliseconds. A request that misses one ends with a DeadlineError. */
export interface Deadlines {
  /** From the first `next()` to the last token. */
  readonly total?: number | undefined
  /** From the first `next()` to the first token. */
  readonly firstToken?: number | undefined
  /** From one token to the next, while the reader reads. */
  readonly nextToken?: number | undefined
}

export interface EngineGenerateOptions extends GenerateOptions {
  /** As `nice`: an integer in [-10, 10], lower goes first. Default 0. */
  readonly priority?: number | undefined
  readonly deadlines?: Deadlines | undefined
  /** Requests share cached prefixes only with those of the same salt: one per user keeps what they wrote from showing in the timing. */
  readonly salt?: string | undefined
}

/** Every option that an engine's `generate` accepts. */
export const engineGenerateOptionNames: Readonly<Record<keyof EngineGenerateOptions, true>> = {
  ...generateOptionNames,
  priority: true,
  deadlines: true,
  salt: true,
}

const schema = v.strictObject({
  maxRows: v.optional(wholeNumber(1, 2 ** 16)),
  maxSlots: v.optional(wholeNumber(1)),
  maxWaiting: v.optional(wholeNumber(0)),
  maxWaitingTokens: v.optional(wholeNumber(0)),
  chunk: v.optional(wholeNumber(1)),
  overtake: v.optional(wholeNumber(0, 2 ** 32)),
  maxUnread: v.optional(wholeNumber(1)),
  prefixCache: v.optional(v.strictObject({ bytes: wholeNumber(0), bytesOf: v.optional(callable) })),
})

export interface CheckedEngineOptions<State extends StepperState> {
  readonly limits: SchedulerLimits
  readonly maxUnread: number
  readonly cache: { readonly bytes: number; readonly bytesOf: (state: State) => number } | undefined
}

/** Throws OptionError on an unknown option or a value out of range. */
export function checkEngineOptions<State extends StepperState>(
  stepper: Stepper<State>,
  options: EngineOptions<State>,
): CheckedEngineOptions<State> {
  checkStepper(stepper)
  checkOptions(schema, options, 'openEngine')
  const { maxRows = 8, maxSlots = maxRows * stepper.contextLength, maxWaiting = 128, maxWaitingTokens = 2 ** 18 } = options
  const { chunk = 256, overtake = 16, maxUnread = 16, prefixCache } = options
  const limits = { maxRows, maxSlots, queue: { requests: maxWaiting, tokens: maxWaitingTokens }, chunk, overtake }
  return { limits, maxUnread, cache: prefixCache && checkedCache(stepper, prefixCache) }
}

function checkedCache<State extends StepperState>(stepper: Stepper<State>, { bytes, bytesOf }: PrefixCacheOptions<State>) {
  if (bytesOf !== undefined) return { bytes, bytesOf }
  if (stepper.bytesOf === undefined) {
    throw new OptionError('prefixCache does not know what a state costs', { fix: 'give bytesOf, since the stepper does not say' })
  }
  return { bytes, bytesOf: (state: State) => stepper.bytesOf!(state) }
}

export interface ServiceOptions {
  readonly priority: number
  readonly deadlines: Deadlines
  readonly salt: string
}

const deadlineNames: Readonly<Record<keyof Deadlines, true>> = { total: true, firstToken: true, nextToken: true }

/** Splits what the engine itself heeds from the rest. Throws OptionError on an unknown option or a value out of range. */
export function checkServiceOptions(options: EngineGenerateOptions): { service: ServiceOptions; others: GenerateOptions } {
  checkKeys(options, engineGenerateOptionNames)
  const { priority = 0, deadlines = {}, salt = '', ...others } = options
  checkInteger('priority', priority, -10, 10)
  checkKeys(deadlines, deadlineNames)
  for (const [name, milliseconds] of Object.entries(deadlines)) {
    if (milliseconds !== undefined) checkInteger(`deadlines.${name}`, milliseconds, 1, 2 ** 31 - 1)
  }
  if (typeof salt !== 'string') throw new OptionError('salt is not a text', { expected: 'a string' })
  return { service: { priority, deadlines, salt }, others }
}
