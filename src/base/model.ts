import type { Rule } from './visibility.ts'

/** One stage of a tokenized sample: a text, a scale, a codebook, a frame, a modality segment. */
export type Part =
  | { readonly kind: 'ids'; readonly vocabulary: readonly number[]; readonly values: Int32Array; readonly shape: readonly number[] }
  | { readonly kind: 'bits'; readonly width: number; readonly values: Uint8Array; readonly shape: readonly number[] }
  | { readonly kind: 'vectors'; readonly dimension: number; readonly values: Float32Array; readonly shape: readonly number[] }

/** One tokenized sample: codes at positions, in stages. */
export interface Codes {
  readonly parts: readonly Part[]
}

/** What a part looks like before its values are known; what an order needs to lay out slots. */
export interface Layout {
  readonly parts: readonly { readonly shape: readonly number[] }[]
}

/** What a slot is for. The numbers are the values of a plan's `role` column. */
export const roles = { condition: 0, clean: 1, noisy: 2, mask: 3, query: 4, memory: 5 } as const
export type Role = keyof typeof roles

/** Special values of a plan's `source` column. */
export const sources = { maskToken: -1, query: -2, carried: -3, start: -4 } as const

/**
 * A plan: slots as columns, one entry per slot, in feeding order. Training reads it whole, decoding reads it group by group;
 * the visibility rule is the same for both.
 */
export interface Plan {
  readonly length: number
  /** Values of `roles`. */
  readonly role: Uint8Array
  /** The step that predicts (or supplies) this slot; conditions are group 0. */
  readonly group: Int32Array
  /** Sample, packed prompt, set member or modality segment; 0 = shared by all. */
  readonly segment: Int32Array
  /** One column per axis: `[t]`, `[y, x]`, `[scale, y, x]`, `[t, y, x]`. */
  readonly position: readonly Int32Array[]
  /** Which code value feeds this slot, or one of `sources`. */
  readonly source: Int32Array
  /** Which code value this slot predicts; -1: none. */
  readonly target: Int32Array
  /** Index of the parent slot in a draft tree; -1 elsewhere. */
  readonly parent: Int32Array
  /** Loss weight. */
  readonly weight: Float32Array
  readonly visibility: Rule
}

/** A run of slots of a plan: `[start, end)`. */
export interface SlotRange {
  readonly start: number
  readonly end: number
}

/** One decoding step: feed these slots, read predictions there, keep these in the cache. */
export interface Step {
  readonly feed: SlotRange
  readonly predict: SlotRange
  readonly commit: SlotRange
}

/** Text ⇄ ids. */
export interface TextTokenizer {
  readonly kind: string
  readonly vocabularySize: number
  /** Id put before a sequence, when the vocabulary has one. */
  readonly startToken: number | undefined
  /** Ids that end a sequence. */
  readonly endTokens: readonly number[]
  /** Ids of `text`, without start or end tokens. */
  encode(text: string): number[]
  /** Text of `ids`; invalid UTF-8 becomes U+FFFD, control tokens become nothing. */
  decode(ids: readonly number[]): string
  /** A decoder for a growing sequence, which holds back incomplete characters. */
  stream(): TextStream
  /** Plain JSON from which `loadTokenizer` rebuilds the same tokenizer. */
  toJSON(): TokenizerFile
}

export interface TextStream {
  /** The text that `id` completes, possibly ''. */
  push(id: number): string
  /** What is left when the sequence ends. */
  end(): string
}

/** A serialised tokenizer; `kind` names the class that reads the rest. */
export interface TokenizerFile {
  readonly kind: string
  readonly [field: string]: unknown
}
