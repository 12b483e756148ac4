import { ContextError, DataError, OptionError } from '../base/errors.ts'
import { createRng, type Rng } from '../base/rng.ts'
import { checkedTokens, checkInteger, checkKeys, checkSignal } from './checks.ts'
import { applyRules, type LogitsRule, logProbReader } from './logits.ts'
import { type LogitsOptions, logitsRules } from './pipeline.ts'
import { greedyToken, sampleToken } from './sample.ts'
import { largestIds } from './selection.ts'
import type { Stepper, StepperState } from './stepper.ts'

export interface GenerateOptions extends LogitsOptions {
  /** Most tokens to generate, at least 1. Default: as many as the context allows. */
  readonly maxTokens?: number | undefined
  /** Of the sampling noise, in [0, 2^64). Token i takes `createRng(seed).fold('sample').uniformAt(i)`. Default 0. */
  readonly seed?: number | bigint | undefined
  /** Tokens that end the sequence. Default: none. */
  readonly stopTokens?: readonly number[] | undefined
  /** Also report this many of the model's likeliest tokens at every step, at least 1. */
  readonly topLogProbs?: number | undefined
  /** Stops within one token: the iteration throws the signal's reason. */
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

/**
 * Continues the prompt token by token. Leaving the loop, an abort and an error all free the stepper's state. Everything is checked at
 * the call, before any work: throws OptionError on an unknown option or a value out of range, DataError when the prompt is empty or
 * holds no ids of the vocabulary, ContextError when it is longer than the context. Iterating throws what the stepper and the rules
 * throw, and the signal's reason after an abort.
 * @example
 * for await (const { token, finish } of generate(stepper, [1, 5], { maxTokens: 20, topP: 0.9, seed: 7 })) tokens.push(token)
 */
export function generate<State extends StepperState>(
  stepper: Stepper<State>,
  prompt: ArrayLike<number>,
  options: GenerateOptions = {},
): AsyncGenerator<GeneratedToken, void, undefined> {
  return run(stepper, checkedRequest(stepper, prompt, options))
}

interface Request {
  readonly prompt: readonly number[]
  readonly limit: number
  readonly rules: readonly LogitsRule[]
  readonly greedy: boolean
  readonly noise: Rng
  readonly stopTokens: ReadonlySet<number>
  readonly topLogProbs: number | undefined
  readonly signal: AbortSignal | undefined
}

async function* run<State extends StepperState>(
  stepper: Stepper<State>,
  request: Request,
): AsyncGenerator<GeneratedToken, void, undefined> {
  const { prompt, limit, stopTokens, signal } = request
  const extendOptions = { keep: 'append', logits: 'last', ...(signal && { signal }) } as const
  signal?.throwIfAborted()
  const state = await stepper.open()
  try {
    const tokens = [...prompt]
    for (let index = 0; ; index++) {
      const fed = index === 0 ? prompt : tokens.slice(-1)
      const [output] = await stepper.extend([{ state, tokens: fed }], extendOptions)
      signal?.throwIfAborted()
      const chosen = choose(output!.logits, tokens, index, request)
      tokens.push(chosen.token)
      const finish = stopTokens.has(chosen.token) ? 'end-token' : index + 1 === limit ? 'length' : undefined
      yield { index, ...chosen, ...(finish && { finish }) }
      if (finish !== undefined) return
      signal?.throwIfAborted()
    }
  } finally {
    await stepper.close(state)
  }
}

/** One token of the model's logits `[vocabulary]`. */
function choose(logits: Float32Array, tokens: readonly number[], index: number, request: Request) {
  const logProbOf = logProbReader(logits)
  const withLogProb = (token: number): TokenLogProb => ({ token, logProb: logProbOf(token) })
  const processed = applyRules(request.rules, logits, { tokens, promptLength: request.prompt.length })
  const token = request.greedy ? greedyToken(processed) : sampleToken(processed, request.noise.uniformAt(index))
  if (request.topLogProbs === undefined) return withLogProb(token)
  return { ...withLogProb(token), topLogProbs: Array.from(largestIds(logits, request.topLogProbs), withLogProb) }
}

function checkedRequest(stepper: Stepper, promptTokens: ArrayLike<number>, options: GenerateOptions): Request {
  const { vocabularySize, contextLength } = stepper
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
  return {
    prompt,
    limit: Math.min(maxTokens ?? room, room),
    rules,
    greedy: options.temperature === 0,
    noise: createRng(seed).fold('sample'),
    stopTokens: checkedStopTokens(options.stopTokens, vocabularySize),
    topLogProbs,
    signal,
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
