import { ContextError, DataError, DisposedError, OptionError } from '../base/errors.ts'
import { createRng, type Rng } from '../base/rng.ts'
import { checkedTokens, checkInteger, checkKeys, checkSignal } from './checks.ts'
import { type Constraint, type ConstraintState, checkConstraint, constraintRule } from './constraint.ts'
import { applyRules, type LogitsRule, logProbReader } from './logits.ts'
import { adjustments, type LogitsOptions, truncations } from './pipeline.ts'
import { greedyToken, sampleToken } from './sample.ts'
import { largestIds } from './selection.ts'

export interface GenerateOptions extends LogitsOptions {
  /** Most tokens to generate, at least 1. Default: as many as the context allows. */
  readonly maxTokens?: number | undefined
  /** Of the sampling noise, in [0, 2^64). Token i takes `createRng(seed).fold('sample').uniformAt(i)`. Default 0. */
  readonly seed?: number | bigint | undefined
  /** Tokens that end the sequence. Default: none. */
  readonly stopTokens?: readonly number[] | undefined
  /** Also report this many of the model's likeliest tokens at every step, at least 1. */
  readonly topLogProbs?: number | undefined
  /**
   * What the generated text must look like. Applied behind `rules` and before the temperature: other rules weigh what it allows, and
   * nothing that it forbids comes. The prompt is not part of the text.
   */
  readonly constraint?: Constraint | undefined
  /** Stops within one token, or 256 of the prompt: the iteration throws the signal's reason. */
  readonly signal?: AbortSignal | undefined
}

/**
 * `end-token`: a stop token came; `complete`: the constraint lets nothing more come; `length`: `maxTokens` reached or the context full;
 * `stop`: a stop string came.
 */
export type FinishReason = 'end-token' | 'complete' | 'length' | 'stop'

export interface TokenLogProb {
  readonly token: number
  /** Natural logarithm of the probability. */
  readonly logProb: number
}

/** `logProb` is under the model's own distribution, before temperature, penalties and every other rule. */
export interface GeneratedToken extends TokenLogProb {
  /** 0 for the first generated token. */
  readonly index: number
  /** By falling probability, under the model's own distribution; present when asked for. */
  readonly topLogProbs?: readonly TokenLogProb[]
  /** On the last token only. A stop token is the last one, and is part of the sequence. */
  readonly finish?: FinishReason
}

/** Every option that `generate` accepts. */
export const generateOptionNames: Readonly<Record<keyof GenerateOptions, true>> = {
  maxTokens: true,
  temperature: true,
  topK: true,
  topP: true,
  minP: true,
  typicalP: true,
  repetitionPenalty: true,
  frequencyPenalty: true,
  presencePenalty: true,
  noRepeatNgram: true,
  logitBias: true,
  rules: true,
  seed: true,
  stopTokens: true,
  topLogProbs: true,
  constraint: true,
  signal: true,
}

/** What bounds a continuation: a stepper has these. */
export interface ModelSizes {
  readonly vocabularySize: number
  readonly contextLength: number
}

/**
 * One request on its way: the prompt, and the tokens chosen so far. Whoever runs the model feeds `tokens`, calls `prepare` meanwhile,
 * and gives the logits behind the last of them to `next`, until a token says that it finishes the sequence; then it calls `close`.
 */
export interface Continuation {
  readonly promptLength: number
  /** Most tokens that will be chosen. */
  readonly limit: number
  /** The prompt and what was chosen since. */
  readonly tokens: readonly number[]
  readonly signal: AbortSignal | undefined
  /**
   * Resolves when the constraint has said what may come next, and opens it at first. Asking again before the next token is free.
   * Rejects with what the constraint rejects with.
   */
  prepare(): Promise<void>
  /**
   * Chooses the next token, of the logits `[vocabulary]` behind the last one. Rejects with what the rules and the constraint throw,
   * NonFiniteError, and OptionError when it is not prepared.
   */
  next(logits: Float32Array): Promise<GeneratedToken>
  /** Whether there is something to close. */
  readonly holds: boolean
  /** Frees what the constraint holds, also while it is prepared. Never rejects because of an earlier failure. */
  close(): Promise<void>
}

/** What the model computes while the constraint is prepared; both are over when it resolves or rejects. */
export async function whilePreparing<T>(continuation: Continuation, step: Promise<T>): Promise<T> {
  const [computed, prepared] = await Promise.allSettled([step, continuation.prepare()])
  if (computed.status === 'rejected') throw computed.reason
  if (prepared.status === 'rejected') throw prepared.reason
  return computed.value
}

/**
 * Checks a request, before any work. Throws OptionError on an unknown option or a value out of range, DataError when the prompt is empty
 * or holds no ids of the vocabulary, ContextError when it is longer than the context.
 */
export function openContinuation(sizes: ModelSizes, promptTokens: ArrayLike<number>, options: GenerateOptions): Continuation {
  const { vocabularySize, contextLength } = sizes
  checkKeys(options, generateOptionNames)
  const { maxTokens, seed = 0, topLogProbs, constraint, signal } = options
  if (maxTokens !== undefined) checkInteger('maxTokens', maxTokens, 1)
  if (topLogProbs !== undefined) checkInteger('topLogProbs', topLogProbs, 1, vocabularySize)
  checkSignal(signal)
  checkConstraint(constraint)
  const rules = { before: adjustments(options), after: truncations(options) }
  for (const id of options.logitBias?.keys() ?? []) checkInteger('a token of logitBias', id, 0, vocabularySize - 1)
  const prompt = checkedPrompt(promptTokens, vocabularySize, contextLength)
  // The last token is never fed, so one more fits than the context has room for.
  const room = contextLength - prompt.length + 1
  return new CheckedContinuation(prompt, {
    limit: Math.min(maxTokens ?? room, room),
    rules,
    greedy: options.temperature === 0,
    noise: createRng(seed).fold('sample'),
    stopTokens: checkedStopTokens(options.stopTokens, vocabularySize),
    topLogProbs,
    constraint,
    signal,
  })
}

interface CheckedOptions {
  readonly limit: number
  /** Of the constraint. */
  readonly rules: { readonly before: readonly LogitsRule[]; readonly after: readonly LogitsRule[] }
  readonly greedy: boolean
  readonly noise: Rng
  readonly stopTokens: ReadonlySet<number>
  readonly topLogProbs: number | undefined
  readonly constraint: Constraint | undefined
  readonly signal: AbortSignal | undefined
}

class CheckedContinuation implements Continuation {
  readonly promptLength: number
  readonly #tokens: number[]
  readonly #options: CheckedOptions
  #opening: Promise<ConstraintState> | undefined
  #preparing: Promise<void> | undefined
  #prepared: { readonly state?: ConstraintState; readonly rules: readonly LogitsRule[] } | undefined
  #closed = false

  constructor(prompt: number[], options: CheckedOptions) {
    this.promptLength = prompt.length
    this.#tokens = prompt
    this.#options = options
  }

  get limit(): number {
    return this.#options.limit
  }

  get tokens(): readonly number[] {
    return this.#tokens
  }

  get signal(): AbortSignal | undefined {
    return this.#options.signal
  }

  get holds(): boolean {
    return this.#opening !== undefined && !this.#closed
  }

  prepare(): Promise<void> {
    this.#preparing ??= this.#prepare()
    return this.#preparing
  }

  async next(logits: Float32Array): Promise<GeneratedToken> {
    const { constraint, stopTokens } = this.#options
    const prepared = this.#prepared
    if (prepared === undefined) throw new OptionError('the continuation is not prepared', { expected: 'prepare() before next()' })
    const index = this.#tokens.length - this.promptLength
    const chosen = this.#choose(logits, index, prepared.rules)
    if (constraint !== undefined) {
      this.#prepared = undefined
      this.#preparing = undefined
      await prepared.state?.advance(chosen.token)
    }
    this.#tokens.push(chosen.token)
    const complete = prepared.state?.finished ? 'complete' : undefined
    const finish = stopTokens.has(chosen.token) ? 'end-token' : (complete ?? (index + 1 === this.limit ? 'length' : undefined))
    return { index, ...chosen, ...(finish && { finish }) }
  }

  async close(): Promise<void> {
    if (this.#closed) return
    this.#closed = true
    const state = await this.#opening?.catch(() => undefined)
    await state?.close()
  }

  async #prepare(): Promise<void> {
    const { constraint, rules } = this.#options
    if (constraint === undefined) {
      this.#prepared = { rules: [...rules.before, ...rules.after] }
      return
    }
    if (this.#closed) throw new DisposedError('the continuation is closed')
    this.#opening ??= constraint.open()
    const state = await this.#opening
    const allowed = await state.allowed()
    const mask = allowed === undefined ? [] : [constraintRule(allowed)]
    this.#prepared = { state, rules: [...rules.before, ...mask, ...rules.after] }
  }

  #choose(logits: Float32Array, index: number, rules: readonly LogitsRule[]) {
    const { greedy, noise, topLogProbs } = this.#options
    const logProbOf = logProbReader(logits)
    const withLogProb = (token: number): TokenLogProb => ({ token, logProb: logProbOf(token) })
    const processed = applyRules(rules, logits, { tokens: this.#tokens, promptLength: this.promptLength })
    const token = greedy ? greedyToken(processed) : sampleToken(processed, noise.uniformAt(index))
    if (topLogProbs === undefined) return withLogProb(token)
    return { ...withLogProb(token), topLogProbs: Array.from(largestIds(logits, topLogProbs), withLogProb) }
  }
}

function checkedPrompt(prompt: ArrayLike<number>, vocabularySize: number, contextLength: number): number[] {
  const tokens = checkedTokens('the prompt', prompt, vocabularySize)
  if (tokens.length === 0)
    throw new DataError('the prompt is empty', { expected: 'at least one token', fix: 'begin with a start token' })
  if (tokens.length > contextLength) {
    throw new ContextError(`the prompt has ${tokens.length} tokens`, { expected: `at most the context's ${contextLength}` })
  }
  return tokens
}

function checkedStopTokens(tokens: readonly number[] | undefined, vocabularySize: number): ReadonlySet<number> {
  if (tokens === undefined) return new Set()
  if (!Array.isArray(tokens)) throw new OptionError('stopTokens is not a list', { expected: 'a list of token ids' })
  for (const id of tokens) checkInteger('a token of stopTokens', id, 0, vocabularySize - 1)
  return new Set(tokens)
}
