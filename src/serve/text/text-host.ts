import { OptionError } from '../../base/errors.ts'
import type { TextTokenizer } from '../../base/model.ts'
import type { Constraint, Score, ScoreOptions } from '../../decode/index.ts'
import type { Engine } from '../../engine/index.ts'
import type { GrammarSpec } from '../../grammars/index.ts'
import type { ChatMessage, RenderOptions } from '../../tokenizers/index.ts'
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

/** Throws OptionError where the model is of no conversations. */
export function chatOf({ chat }: TextHost, name: string): ChatEncoder {
  if (chat !== undefined) return chat
  throw new OptionError(`the model '${name}' has no chat template`, {
    fix: 'ask /v1/completions, or start the server with a template',
  })
}
