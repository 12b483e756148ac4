import * as v from 'valibot'
import { FormatError } from '../../base/errors.ts'
import { checkFile, checkText, largestVocabulary, quoted } from '../checked.ts'

/** A checked model and its added tokens. */
export interface Model {
  /** The fields as the library takes them, without the vocabulary. */
  readonly fields: Readonly<Record<string, unknown>> & { readonly type: 'BPE' | 'WordPiece' | 'Unigram' }
  /** Pieces by id, with holes where the file has none; added tokens not included. */
  readonly pieces: readonly (string | undefined)[]
  /** Unigram only: log-probabilities by id. */
  readonly scores: readonly number[]
  /** BPE only. */
  readonly merges: readonly (readonly [string, string])[]
  readonly unknownToken: number | undefined
}

export interface AddedToken {
  readonly id: number
  readonly content: string
  readonly special: boolean
  readonly lstrip: boolean
  readonly rstrip: boolean
  readonly normalized: boolean
}

/** The library keeps these pieces in tries, of which each character may take a node. */
const mostTrieCharacters = 2 ** 22
const longestPiece = 512

const flag = v.optional(v.boolean(), false)
const none = v.nullish(v.literal(''))
const typed = v.object({ type: v.optional(v.string()), vocab: v.unknown() })
const bpe = v.object({
  dropout: v.nullish(v.literal(0)),
  continuing_subword_prefix: none,
  end_of_word_suffix: none,
  unk_token: v.nullish(v.string()),
  fuse_unk: flag,
  byte_fallback: flag,
  ignore_merges: flag,
  merges: v.custom<readonly unknown[]>(Array.isArray, 'merges is no list'),
})
const wordPiece = v.object({
  unk_token: v.optional(v.string(), '[UNK]'),
  continuing_subword_prefix: v.optional(v.pipe(v.string(), v.maxLength(32)), '##'),
  // A word of n characters may take n² look-ups.
  max_input_chars_per_word: v.optional(v.pipe(v.number(), v.integer(), v.minValue(1), v.maxValue(200)), 100),
})
const unigram = v.object({ unk_id: v.nullish(v.number()), byte_fallback: v.optional(v.literal(false)) })
const addedToken = v.object({
  id: v.pipe(v.number(), v.integer(), v.minValue(0), v.maxValue(largestVocabulary - 1)),
  content: v.pipe(v.string(), v.minLength(1), v.maxLength(256)),
  special: flag,
  // The library does not look at word boundaries.
  single_word: v.optional(v.literal(false)),
  lstrip: flag,
  rstrip: flag,
  normalized: v.optional(v.boolean()),
})

/**
 * A checked copy of the file's model.
 *
 * @throws FormatError for other models than BPE, WordPiece and Unigram, for vocabularies with repeated ids or pieces, and for merges
 * of or into pieces that the vocabulary lacks.
 */
export function readModel(given: unknown): Model {
  checkFile(typed, given, 'model')
  const model = given as {
    readonly type?: string
    readonly vocab: unknown
    readonly merges?: unknown
    readonly unk_token?: unknown
  }
  const type = model.type ?? guessType(model)
  if (type === 'BPE') return readBpe(model)
  if (type === 'WordPiece') return readWordPiece(model)
  if (type === 'Unigram') return readUnigram(model)
  throw new FormatError(`model ${quoted(type)} is not supported`, { expected: 'BPE, WordPiece or Unigram' })
}

/** Older files do not say what they are. */
function guessType(model: { readonly vocab: unknown; readonly merges?: unknown; readonly unk_token?: unknown }): string {
  if (Array.isArray(model.vocab)) return 'Unigram'
  return model.merges === undefined ? 'WordPiece' : 'BPE'
}

function readBpe(model: { readonly vocab: unknown }): Model {
  checkFile(bpe, model, 'model BPE')
  const { unk_token, fuse_unk, byte_fallback, ignore_merges, merges } = v.parse(bpe, model)
  const { pieces, ids } = readVocabulary(model.vocab)
  const unknownToken = unk_token ? idOfPiece(unk_token, ids, 'unk_token') : undefined
  return {
    fields: { type: 'BPE', fuse_unk, byte_fallback, ignore_merges },
    pieces,
    scores: [],
    merges: readMerges(merges, ids),
    unknownToken,
  }
}

function readWordPiece(model: { readonly vocab: unknown }): Model {
  checkFile(wordPiece, model, 'model WordPiece')
  const { unk_token, ...fields } = v.parse(wordPiece, model)
  const { pieces, ids } = readVocabulary(model.vocab)
  return {
    fields: { type: 'WordPiece', ...fields },
    pieces,
    scores: [],
    merges: [],
    unknownToken: idOfPiece(unk_token, ids, 'unk_token'),
  }
}

function readUnigram(model: { readonly vocab: unknown }): Model {
  checkFile(unigram, model, 'model Unigram')
  const { unk_id } = v.parse(unigram, model)
  const { vocab } = model
  if (!Array.isArray(vocab) || vocab.length === 0 || vocab.length > largestVocabulary) {
    throw new FormatError('the vocabulary of model Unigram is no list of pieces', { expected: `1 to ${largestVocabulary} entries` })
  }
  const seen = new Set<string>()
  const scores: number[] = []
  const pieces = vocab.map((entry: unknown, id) => {
    const [piece, score]: unknown[] = Array.isArray(entry) && entry.length === 2 ? entry : []
    checkPiece(piece, id, seen)
    if (!Number.isFinite(score))
      throw new FormatError(`the score of piece ${id} is ${String(score)}`, { expected: 'a finite number' })
    scores.push(score as number)
    return piece as string
  })
  checkTrie(pieces)
  if (unk_id !== null && unk_id !== undefined && pieces[unk_id] === undefined) {
    throw new FormatError(`unk_id is ${unk_id}`, { expected: `an integer from 0 to ${pieces.length - 1}` })
  }
  return { fields: { type: 'Unigram' }, pieces, scores, merges: [], unknownToken: unk_id ?? undefined }
}

function checkTrie(pieces: readonly string[]): void {
  const long = pieces.find((piece) => piece.length > longestPiece)
  if (long !== undefined)
    throw new FormatError(`the piece ${quoted(long)} has ${long.length} characters`, { expected: `at most ${longestPiece}` })
  const total = pieces.reduce((sum, piece) => sum + piece.length, 0)
  if (total > mostTrieCharacters)
    throw new FormatError(`the pieces have ${total} characters`, { expected: `at most ${mostTrieCharacters}` })
}

function checkPiece(piece: unknown, id: number, seen: Set<string>): void {
  checkText(piece, (problem) => new FormatError(`piece ${id} of the vocabulary ${problem}`))
  if (seen.has(piece as string)) throw new FormatError(`the vocabulary has ${quoted(piece as string)} twice`)
  seen.add(piece as string)
}

/** By hand: JSON keys such as `constructor` are ordinary pieces. */
function readVocabulary(vocab: unknown): { pieces: (string | undefined)[]; ids: ReadonlyMap<string, number> } {
  if (typeof vocab !== 'object' || vocab === null || Array.isArray(vocab)) {
    throw new FormatError('the vocabulary is no object of pieces and ids')
  }
  const ids = new Map<string, number>()
  const pieces: (string | undefined)[] = []
  for (const [piece, id] of Object.entries(vocab)) {
    checkText(piece, (problem) => new FormatError(`a piece of the vocabulary ${problem}`))
    if (!Number.isInteger(id) || id < 0 || id >= largestVocabulary) {
      throw new FormatError(`the id of ${quoted(piece)} is ${String(id)}`, { expected: `an integer below ${largestVocabulary}` })
    }
    if (pieces[id] !== undefined) throw new FormatError(`${quoted(pieces[id])} and ${quoted(piece)} both have id ${id}`)
    pieces[id] = piece
    ids.set(piece, id)
  }
  if (ids.size === 0) throw new FormatError('the vocabulary is empty')
  return { pieces, ids }
}

function idOfPiece(piece: string, ids: ReadonlyMap<string, number>, field: string): number {
  const id = ids.get(piece)
  if (id === undefined) throw new FormatError(`${field} ${quoted(piece)} is not in the vocabulary`)
  return id
}

function readMerges(given: readonly unknown[], ids: ReadonlyMap<string, number>): [string, string][] {
  if (given.length > largestVocabulary)
    throw new FormatError(`${given.length} merges`, { expected: `at most ${largestVocabulary}` })
  return given.map((merge, index) => {
    const halves: unknown = typeof merge === 'string' ? merge.split(' ') : merge
    if (!Array.isArray(halves) || halves.length !== 2) throw new FormatError(`merge ${index} is no pair of pieces`)
    const [left, right]: unknown[] = halves
    if (typeof left === 'string' && typeof right === 'string' && [left, right, left + right].every((piece) => ids.has(piece))) {
      return [left, right]
    }
    throw new FormatError(`merge ${index}, ${quoted(halves.join(' '))}, is not of and into pieces of the vocabulary`)
  })
}

/**
 * A checked copy of the file's added tokens.
 *
 * @throws FormatError when contents or ids are repeated, or contradict the model's vocabulary.
 */
export function readAddedTokens(given: unknown, { pieces }: Model): AddedToken[] {
  if (given === undefined || given === null) return []
  if (!Array.isArray(given) || given.length > largestVocabulary) throw new FormatError('added_tokens is no list')
  const ids = new Map(pieces.flatMap((piece, id) => (piece === undefined ? [] : [[piece, id] as const])))
  const contents = new Map<number, string>()
  const tokens = given.map((entry: unknown, index) => {
    checkFile(addedToken, entry, `added_tokens.${index}`)
    const { single_word: _, ...token } = v.parse(addedToken, entry)
    const { id, content, special } = token
    checkText(content, (problem) => new FormatError(`added_tokens.${index}: content ${problem}`))
    const [formerContent, formerId] = [contents.get(id) ?? pieces[id] ?? content, ids.get(content) ?? id]
    if (formerContent !== content || formerId !== id || contents.has(id)) {
      throw new FormatError(`the added token ${quoted(content)} with id ${id} contradicts the vocabulary`)
    }
    contents.set(id, content)
    ids.set(content, id)
    return { ...token, normalized: token.normalized ?? !special }
  })
  checkTrie(tokens.map(({ content }) => content))
  return tokens
}
