import { OptionError } from '../../base/errors.ts'
import type { TextTokenizer } from '../../base/model.ts'
import type { Constraint, Score, ScoreOptions } from '../../decode/index.ts'
import type { Engine } from '../../engine/index.ts'
import type { GrammarSpec } from '../../grammars/index.ts'
import { nextTurn } from '../../platform/next-turn.ts'
import type { ChatMessage, RenderOptions } from '../../tokenizers/index.ts'
import { tooLarge } from '../api-error.ts'
import type { ServeLimits } from '../limits.ts'
import type { Host } from '../model-pool.ts'

/** How a model wants a conversation written, and what ends an answer. */
export interface ChatEncoder {
  /** Ids up to where the answer begins. */
  encode(messages: readonly ChatMessage[], options: RenderOptions): readonly number[]
  readonly stop: readonly string[]
  /** Whether the template itself has a place for tools. */
  readonly writesTools: boolean
}

/** A loaded language model, and what is asked of it. */
export interface TextHost extends Host {
  readonly kind: 'text'
  readonly engine: Engine
  readonly tokenizer: TextTokenizer
  /** Bytes of the longest token. */
  readonly longestToken: number
  /** Undefined where the model is of no conversations. */
  readonly chat: ChatEncoder | undefined
  /** What a form allows; cached. */
  constraintOf(spec: GrammarSpec, signal: AbortSignal): Promise<Constraint>
  /** One vector for each sequence of ids. */
  embed(sequences: readonly (readonly number[])[], signal: AbortSignal): Promise<readonly Float32Array[]>
  score(tokens: readonly number[], options: ScoreOptions & { readonly signal: AbortSignal }): Promise<Score>
  /** Bytes of keys and values. */
  stateBytes(): number
}

/** Ids of a text as a model reads it from its beginning. */
export function encodePrompt({ tokenizer }: Pick<TextHost, 'tokenizer'>, text: string): number[] {
  const start = tokenizer.startToken
  return [...(start === undefined ? [] : [start]), ...tokenizer.encode(text)]
}

/** Ids of several prompts; others have their turn between two of them. Throws ApiError on those that are too long, before they are encoded. */
export async function encodePrompts(
  host: TextHost,
  prompts: readonly (string | readonly number[])[],
  { param, limits }: { readonly param: string; readonly limits: ServeLimits },
): Promise<(readonly number[])[]> {
  const encoded: (readonly number[])[] = []
  for (const prompt of prompts) {
    if (typeof prompt === 'string') checkCharacters(param, prompt.length, host, limits)
    const ids = typeof prompt === 'string' ? encodePrompt(host, prompt) : prompt
    checkPrompt(param, ids.length, limits)
    encoded.push(ids)
    if (prompts.length > 1) await nextTurn()
  }
  return encoded
}

/**
 * Throws ApiError on a text that is longer than the limit, or than all tokens that the context holds could be: cutting it into tokens takes
 * long, and nothing else runs meanwhile.
 */
export function checkCharacters(
  param: string,
  characters: number,
  host: TextHost,
  { promptCharacters, promptTokens }: ServeLimits,
): void {
  const context = (Math.min(promptTokens, host.engine.contextLength) + 1) * host.longestToken
  refuseLonger(param, characters, Math.min(promptCharacters, context))
}

/** Throws ApiError. */
export function refuseLonger(param: string, characters: number, most: number): void {
  if (characters > most)
    throw tooLarge(param, `the prompt has ${characters} characters, expected at most ${most}`, 'context_length_exceeded')
}

export function checkPrompt(param: string, tokens: number, { promptTokens }: ServeLimits): void {
  if (tokens > promptTokens)
    throw tooLarge(param, `the prompt has ${tokens} tokens, expected at most ${promptTokens}`, 'context_length_exceeded')
}

export function longestTokenOf(tokenizer: TextTokenizer): number {
  let longest = 1
  for (let id = 0; id < tokenizer.vocabularySize; id++) longest = Math.max(longest, tokenizer.tokenBytes(id)?.length ?? 0)
  return longest
}

/** Throws OptionError where the model is of no conversations. */
export function chatOf({ chat }: TextHost, name: string): ChatEncoder {
  if (chat !== undefined) return chat
  throw new OptionError(`the model '${name}' has no chat template`, {
    fix: 'ask /v1/completions, or start the server with a template',
  })
}
