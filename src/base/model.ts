import type { SlotColumns } from './slots.ts'
import type { Rule } from './visibility.ts'

export { type Role, roles, type SlotColumns, sources } from './slots.ts'

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

/** What feeds slots and what they predict: one code value each. */
export interface Channel {
  /** Which code value feeds this slot, or one of `sources`. Values count through the layout's parts, row-major. */
  readonly source: Int32Array
  /** Which code value this slot predicts; -1: none. */
  readonly target: Int32Array
  /** Loss weight; 0 where nothing is predicted. */
  readonly weight: Float32Array
}

/**
 * A plan: slots as columns, one entry per slot, in feeding order. Training reads it whole, decoding reads it group by group;
 * the visibility rule is the same for both.
 */
export interface Plan extends SlotColumns, Channel {
  readonly visibility: Rule
  /**
   * Further values fed to and predicted by the same slots: the other codebooks of a delay pattern, the lower neighbour beside the
   * right one, the drafts of a multi-token head.
   */
  readonly channels?: readonly Channel[]
  /**
   * When decoding, noisy slots are fed again with the values that they became before later groups see them: they were trained at every
   * level of noise, none included (xAR). Without it, later groups see the noise (ARFlow).
   */
  readonly refeed?: boolean
}

/** A run of slots of a plan: `[start, end)`. */
export interface SlotRange {
  readonly start: number
  readonly end: number
}

/** One decoding step: feed these slots, read predictions there, keep these in the cache. */
export interface Step {
  readonly feed: SlotRange
  /** The shortest run with all slots of the step that predict; a slot in it may have no target. */
  readonly predict: SlotRange
  readonly commit: SlotRange
  /**
   * The slots to keep are fed once the step's values are known, with clean values: copies of what was denoised, which were not fed yet, or
   * the noisy slots themselves. Otherwise what `feed` computed is kept. The next step's feed may be joined to this one.
   */
  readonly refeed: boolean
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
  /**
   * UTF-8 bytes that `id` adds behind other text, possibly a part of a character; undefined for control tokens and the unknown one,
   * which add nothing that was meant. Throws DataError when it is no id.
   */
  tokenBytes(id: number): Uint8Array | undefined
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
