import * as v from 'valibot'
import { DataError, FormatError, OptionError } from '../base/errors.ts'
import type { TokenizerFile } from '../base/model.ts'
import { checkOptions } from '../base/options.ts'
import { checkText, largestVocabulary, nameOfCharacter, quoted, wellFormed } from './checked.ts'
import { mergeSymbols } from './merge.ts'
import type { NamedTokenizer } from './special-tokens.ts'
import { wordSplitter, wordwise } from './split-words.ts'
import { bytesWithin, decodeWhole, textStream } from './stream.ts'
import { tokenCutter } from './whole-tokens.ts'

/** A piece of text and its score: of all possible merges the one into the piece of the highest score comes first. */
export type Piece = readonly [piece: string, score: number]

export interface SentencePieceOptions {
  /** One per id. `<0x00>` … `<0xFF>` are bytes: what characters without a piece are made of. */
  readonly pieces: readonly Piece[]
  /** Id put before a sequence. Default: none. */
  readonly startToken?: number
  /** Ids that end a sequence. Default: none. llama2.c's models also end with the start token: `[1, 2]`. */
  readonly endTokens?: readonly number[]
  /** Id for characters that have neither a piece nor bytes; it decodes to U+FFFD. Default: none, and such characters are refused. */
  readonly unknownToken?: number
  /** Further ids that are no text: padding, roles. Default: none. */
  readonly controlTokens?: readonly number[]
  /** Ids of pieces that are taken whole wherever a text has them, before any merging. Default: none. */
  readonly wholeTokens?: readonly number[]
  /** How pieces write a space: ' ' in llama2.c's files, '▁' in SentencePiece models and GGUF. Default ' '. */
  readonly spaceMarker?: string
  /** Encode with a space before the text, decode without it. Default true. */
  readonly leadingSpace?: boolean
}

const id = v.pipe(v.number(), v.integer(), v.minValue(0))
const schema = v.strictObject({
  pieces: v.custom<readonly unknown[]>(Array.isArray, 'pieces is no list'),
  startToken: v.optional(id),
  endTokens: v.optional(v.array(id)),
  unknownToken: v.optional(id),
  controlTokens: v.optional(v.array(id)),
  wholeTokens: v.optional(v.array(id)),
  spaceMarker: v.optional(v.pipe(v.string(), v.minLength(1))),
  leadingSpace: v.optional(v.boolean()),
})

/**
 * SentencePiece's BPE (Kudo & Richardson 2018, arXiv:1808.06226) with byte fallback, as in Llama and llama2.c: the text is merged
 * greedily into the pieces of the highest scores, in O(n log n) steps. Control pieces and byte pieces are never matched in a text, so
 * every text without lone surrogates survives encode and decode when the vocabulary has all bytes. Decoding drops one space at the
 * start of a sequence and after `startToken`.
 *
 * @throws FormatError for pieces that are empty, repeated, malformed bytes (`<0x-1>`) or without a finite score; OptionError for
 * unknown options and ids outside the vocabulary.
 * @example
 * const pieces = readTok512(await readFile('tok512.bin'))
 * const tokenizer = sentencePieceTokenizer({ pieces, unknownToken: 0, startToken: 1, endTokens: [1, 2] })
 */
export function sentencePieceTokenizer(options: SentencePieceOptions): NamedTokenizer {
  checkOptions(schema, options, 'sentencePieceTokenizer')
  const { startToken, endTokens = [], leadingSpace = true } = options
  const vocabulary = readVocabulary(options)
  // Copied, so that the file says what this tokenizer does even when the caller's list changes.
  const file = { ...options, pieces: options.pieces.map(([piece, score]): Piece => [piece, score]) }
  const { contents, controls, unknown } = vocabulary
  const starts = contents.map((bytes) => (leadingSpace && bytes[0] === space ? bytes.subarray(1) : bytes))
  const replacement = new TextEncoder().encode('\ufffd')
  const tokens = {
    vocabularySize: contents.length,
    bytesOf: (token: number, atStart: boolean) =>
      token === unknown ? replacement : controls.has(token) ? undefined : (atStart ? starts : contents)[token],
    restartsAfter: (token: number) => token === startToken,
  }
  return {
    kind: 'sentencepiece',
    vocabularySize: contents.length,
    startToken,
    endTokens: [...endTokens],
    specialTokens: vocabulary.specialTokens,
    encode: pieceEncoder(vocabulary, leadingSpace),
    decode: (ids) => decodeWhole(tokens, ids),
    tokenBytes: (token) => bytesWithin(tokens, token, unknown),
    stream: () => textStream(tokens),
    toJSON: (): TokenizerFile => ({ kind: 'sentencepiece', ...file }),
  }
}

const space = 0x20

interface Vocabulary {
  /** UTF-8 of every id. */
  readonly contents: readonly Uint8Array[]
  /** Ids of the pieces that are taken whole. */
  readonly wholes: ReadonlyMap<string, number>
  /** Ids of the pieces that a text may be made of. */
  readonly ids: ReadonlyMap<string, number>
  /** Place of each id in the order of merging; equal scores have equal ranks. */
  readonly ranks: Int32Array
  /** Ids of the bytes; -1 where the vocabulary has none. */
  readonly byteIds: Int32Array
  readonly controls: ReadonlySet<number>
  readonly unknown: number | undefined
  readonly specialTokens: ReadonlyMap<string, number>
}

function readVocabulary(options: SentencePieceOptions): Vocabulary {
  const { pieces, startToken, endTokens = [], unknownToken, controlTokens = [], spaceMarker = ' ' } = options
  if (pieces.length === 0 || pieces.length > largestVocabulary) {
    throw new FormatError(`${pieces.length} pieces`, { expected: `1 to ${largestVocabulary}` })
  }
  const controls = new Set([startToken, unknownToken, ...endTokens, ...controlTokens].filter((token) => token !== undefined))
  for (const token of controls) {
    if (token >= pieces.length) throw new OptionError(`the control token ${token} is not in the vocabulary of ${pieces.length}`)
  }
  const encoder = new TextEncoder()
  const ids = new Map<string, number>()
  const byteIds = new Int32Array(256).fill(-1)
  const specialTokens = new Map<string, number>()
  const wholes = new Map<string, number>()
  const isWhole = wholeIds(options, controls)
  const contents = pieces.map((entry, token) => {
    const piece = checkedPiece(entry, token)
    const byte = byteOf(piece, token)
    if (controls.has(token)) addOnce(specialTokens, piece, token)
    else if (isWhole.has(token)) addOnce(wholes, piece.replaceAll(spaceMarker, ' '), token)
    else if (byte === undefined) addOnce(ids, piece.replaceAll(spaceMarker, ' '), token)
    else if (byteIds[byte]! >= 0) throw new FormatError(`piece ${token} is byte ${byte}, as is piece ${byteIds[byte]}`)
    else byteIds[byte] = token
    return byte === undefined ? encoder.encode(piece.replaceAll(spaceMarker, ' ')) : Uint8Array.of(byte)
  })
  return { contents, wholes, ids, ranks: ranksOf(pieces), byteIds, controls, unknown: unknownToken, specialTokens }
}

function wholeIds({ pieces, wholeTokens = [] }: SentencePieceOptions, controls: ReadonlySet<number>): ReadonlySet<number> {
  for (const token of wholeTokens) {
    if (token >= pieces.length || controls.has(token)) {
      throw new OptionError(`the whole token ${token} is ${controls.has(token) ? 'a control token' : 'not in the vocabulary'}`)
    }
  }
  return new Set(wholeTokens)
}

function checkedPiece(entry: unknown, token: number): string {
  if (!Array.isArray(entry) || entry.length !== 2) throw new FormatError(`entry ${token} of the pieces is no [piece, score]`)
  const [piece, score]: unknown[] = entry
  checkText(piece, (problem) => new FormatError(`piece ${token} ${problem}`))
  if (!Number.isFinite(score))
    throw new FormatError(`the score of piece ${token} is ${String(score)}`, { expected: 'a finite number' })
  return piece as string
}

/** The byte that `<0x0A>` stands for; undefined for other pieces. */
function byteOf(piece: string, token: number): number | undefined {
  if (!piece.startsWith('<0x') || !piece.endsWith('>')) return undefined
  if (!/^<0x[0-9A-Fa-f]{2}>$/.test(piece)) {
    throw new FormatError(`piece ${token}, ${quoted(piece)}, is no byte`, { expected: '<0x00> to <0xFF>' })
  }
  return Number.parseInt(piece.slice(3, 5), 16)
}

function addOnce(ids: Map<string, number>, piece: string, token: number): void {
  if (ids.has(piece)) throw new FormatError(`pieces ${ids.get(piece)} and ${token} are both ${quoted(piece)}`)
  ids.set(piece, token)
}

function ranksOf(pieces: readonly Piece[]): Int32Array {
  const scores = [...new Set(pieces.map(([, score]) => score))].sort((left, right) => right - left)
  const rankOf = new Map(scores.map((score, rank) => [score, rank]))
  return Int32Array.from(pieces, ([, score]) => rankOf.get(score)!)
}

function pieceEncoder(vocabulary: Vocabulary, leadingSpace: boolean): (text: string) => number[] {
  const { ids } = vocabulary
  // When no piece has a space behind another character, no merge crosses that place, and words can be encoded one by one.
  const split = wordSplitter([...ids.keys()].some((piece) => /[^ ] /.test(piece)) ? 'none' : 'spaces')
  const longest = Math.max(0, ...new Set([...ids.keys()].map((piece) => piece.length)))
  const encodeWords = wordwise((word) => encodeWord(word, vocabulary, longest))
  const cut = tokenCutter(vocabulary.wholes)
  return (text) => {
    const source = wellFormed(text)
    if (source === '') return []
    const parts = cut(leadingSpace ? ` ${source}` : source)
    return parts.flatMap((part) => (typeof part === 'number' ? part : encodeWords(split(part))))
  }
}

/** `longest` in UTF-16 units: no merge is longer, so that none costs more than that to look up. */
function encodeWord(word: string, vocabulary: Vocabulary, longest: number): number[] {
  const { ids, ranks } = vocabulary
  const characters = [...word]
  const offsets = new Int32Array(characters.length + 1)
  for (const [index, character] of characters.entries()) offsets[index + 1] = offsets[index]! + character.length
  const symbols = characters.map((character) => ids.get(character) ?? -1)
  const { tokens, starts } = mergeSymbols(symbols, {
    join: (_left, _right, start, end) => {
      const [from, to] = [offsets[start]!, offsets[end]!]
      return to - from > longest ? -1 : (ids.get(word.slice(from, to)) ?? -1)
    },
    rank: (token) => ranks[token]!,
  })
  return tokens.flatMap((token, index) => (token >= 0 ? token : fallback(characters[starts[index]!]!, vocabulary)))
}

function fallback(character: string, { byteIds, unknown }: Vocabulary): number[] {
  const bytes = Array.from(new TextEncoder().encode(character), (byte) => byteIds[byte]!)
  if (bytes.every((token) => token >= 0)) return bytes
  if (unknown !== undefined) return [unknown]
  throw new DataError(`the vocabulary has neither a piece nor bytes for the character ${nameOfCharacter(character)}`, {
    fix: 'give an unknownToken, or leave the character out',
  })
}
