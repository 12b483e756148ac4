import { ContextError, DataError, OptionError } from '../base/errors.ts'
import { createRng, type Rng } from '../base/rng.ts'
import { checkedTokens, checkInteger, checkKeys, checkSignal } from './checks.ts'
import { applyRules, type LogitsRule, logProbReader } from './logits.ts'
import { type LogitsOptions, logitsRules } from './pipeline.ts'
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
  /** Stops within one token, or 256 of the prompt: the iteration throws the signal's reason. */
  readonly signal?: AbortSignal | undefined
}

/** `end-token`: a stop token came; `length`: `maxTokens` reached or the context full; `stop`: a stop string came. */
export type FinishReason = 'end-token' | 'length' | 'stop'

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
  signal: true,
}

/** What bounds a continuation: a stepper has these. */
export interface ModelSizes {
  readonly vocabularySize: number
  readonly contextLength: number
}

/**
 * One request on its way: the prompt, and the tokens chosen so far. Whoever runs the model feeds `tokens` and gives the logits behind
 * the last of them to `next`, until a token says that it finishes the sequence.
 */
export interface Continuation {
  readonly promptLength: number
  /** Most tokens that will be chosen. */
  readonly limit: number
  /** The prompt and what was chosen since. */
  readonly tokens: readonly number[]
  readonly signal: AbortSignal | undefined
  /** Chooses the next token, of the logits `[vocabulary]` behind the last one. Throws what the rules throw, and NonFiniteError. */
  next(logits: Float32Array): GeneratedToken
}

/**
 * Checks a request, before any work. Throws OptionError on an unknown option or a value out of range, DataError when the prompt is empty
 * or holds no ids of the vocabulary, ContextError when it is longer than the context.
 */
export function openContinuation(sizes: ModelSizes, promptTokens: ArrayLike<number>, options: GenerateOptions): Continuation {
  const { vocabularySize, contextLength } = sizes
  checkKeys(options, generateOptionNames)
  const { maxTokens, seed = 0, topLogProbs, signal } = options
  if (maxTokens !== undefined) checkInteger('maxTokens', maxTokens, 1)
  if (topLogProbs !== undefined) checkInteger('topLogProbs', topLogProbs, 1, vocabularySize)
  checkSignal(signal)
  const rules = logitsRules(options)
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
    signal,
  })
}

interface CheckedOptions {
  readonly limit: number
  readonly rules: readonly LogitsRule[]
  readonly greedy: boolean
  readonly noise: Rng
  readonly stopTokens: ReadonlySet<number>
  readonly topLogProbs: number | undefined
  readonly signal: AbortSignal | undefined
}

class CheckedContinuation implements Continuation {
  readonly promptLength: number
  readonly #tokens: number[]
  readonly #options: CheckedOptions

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

  next(logits: Float32Array): GeneratedToken {
    const index = this.#tokens.length - this.promptLength
    const chosen = this.#choose(logits, index)
    this.#tokens.push(chosen.token)
    const finish = this.#options.stopTokens.has(chosen.token) ? 'end-token' : index + 1 === this.limit ? 'length' : undefined
    return { index, ...chosen, ...(finish && { finish }) }
  }

  #choose(logits: Float32Array, index: number) {
    const { rules, greedy, noise, topLogProbs } = this.#options
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
