/** The tokens of a tokenizer, as bytes one behind the other. */
export interface GrammarVocabulary {
  /** Of the model: ids beyond the tokenizer's are never allowed. */
  readonly size: number
  readonly bytes: Uint8Array
  /** Where each token's bytes end. Tokens without bytes are never allowed. */
  readonly ends: Uint32Array
  /** Allowed where a text may end, and nowhere else. */
  readonly endTokens: readonly number[]
}

/** What a grammar is made from; the same text means the same grammar. */
export interface GrammarSource {
  /** `tags`: JSON of a structural tag. */
  readonly kind: 'rules' | 'tags'
  readonly text: string
}

/** What came of a token. */
export type Step =
  | 'refused'
  | 'open'
  /** Nothing more can come. */
  | 'finished'

export interface HostHandles {
  /** Compiled, and kept for the next request. */
  readonly grammars: number
  readonly matchers: number
}

/**
 * Grammars and the states of sequences, by numbers that the caller chooses. Calls are done in their order. Every call that names a source
 * compiles it where it is not kept.
 */
export interface GrammarHost extends AsyncDisposable {
  /** Rejects with RuntimeError where the library fails. */
  compile(source: GrammarSource): Promise<void>
  /** A state behind these tokens, for a sequence that got so far before. */
  open(matcher: number, source: GrammarSource, tokens: readonly number[]): Promise<void>
  /** Bits of the tokens that may come next. */
  allowed(matcher: number): Promise<Int32Array>
  advance(matcher: number, token: number): Promise<Step>
  close(matcher: number): Promise<void>
  handles(): Promise<HostHandles>
}
