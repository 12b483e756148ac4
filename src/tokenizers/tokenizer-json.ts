import { Tokenizer } from '@huggingface/tokenizers'
import * as v from 'valibot'
import { DataError, FormatError, OptionError } from '../base/errors.ts'
import type { TokenizerFile } from '../base/model.ts'
import { checkOptions } from '../base/options.ts'
import { checkFile, quoted, wellFormed } from './checked.ts'
import { readDecoder, type TokenDecoder } from './huggingface/decoder.ts'
import { type AddedToken, type Model, readAddedTokens, readModel } from './huggingface/model.ts'
import { type PatternPolicy, readNormalizer, readPreTokenizer, type Step } from './huggingface/steps.ts'
import type { NamedTokenizer } from './special-tokens.ts'
import { bytesWithin, decodeWhole, type TokenBytes, textStream } from './stream.ts'

export interface HuggingFaceOptions {
  /** Ids that end a sequence. Default: the `eos_token` of tokenizer_config.json. */
  readonly endTokens?: readonly number[]
  /**
   * What the name of a special token in a text is. 'text' (default): text like any other, so that users cannot forge roles and ends.
   * 'tokens': the token, as in Hugging Face's libraries; for texts that a trusted chat template has made.
   */
  readonly specialTokensInText?: 'text' | 'tokens'
  /**
   * Run regular expressions that are not known to take linear time. A file with such an expression can hang the process for ever on a
   * short text: only for files that you trust.
   */
  readonly acceptUnknownPatterns?: boolean
}

const optionSchema = v.strictObject({
  endTokens: v.optional(v.array(v.pipe(v.number(), v.integer(), v.minValue(0)))),
  specialTokensInText: v.optional(v.picklist(['text', 'tokens'])),
  acceptUnknownPatterns: v.optional(v.boolean()),
})
const token = v.nullish(v.union([v.string(), v.object({ content: v.string() })]))
const flag = v.nullish(v.boolean())
const configSchema = v.object({
  bos_token: token,
  eos_token: token,
  add_bos_token: flag,
  remove_space: flag,
  do_lowercase_and_remove_accent: flag,
})
type Config = v.InferOutput<typeof configSchema>
const fileSchema = v.object({ model: v.object({}) })

/**
 * A tokenizer from Hugging Face's tokenizer.json and tokenizer_config.json, parsed (with `parseJson`, which bounds size and depth).
 * Models BPE, WordPiece and Unigram; encoding is done by `@huggingface/tokenizers`, after every part of the file was checked.
 * Whatever that library would ignore or read otherwise is refused.
 *
 * `encode` adds no start or end token: `startToken` is the config's `bos_token` (unless `add_bos_token` is false) or what the file's
 * template puts first. `decode` leaves spaces as they are (no `clean_up_tokenization_spaces`), so that it undoes `encode`. The
 * parsed values are kept for `toJSON`: do not change them.
 *
 * @throws FormatError when a part is malformed, contradictory, not supported, or a regular expression is not known to take linear time;
 * OptionError for unknown options.
 * @example
 * const json = parseJson(await readFile('tokenizer.json'), { what: 'tokenizer.json' })
 * const tokenizer = tokenizerFromHuggingFace(json)
 */
export function tokenizerFromHuggingFace(
  tokenizerJson: unknown,
  tokenizerConfig?: unknown,
  options: HuggingFaceOptions = {},
): NamedTokenizer {
  checkOptions(optionSchema, options, 'tokenizerFromHuggingFace')
  checkFile(fileSchema, tokenizerJson, 'tokenizer.json')
  checkFile(v.nullish(configSchema), tokenizerConfig, 'tokenizer_config.json')
  const file = tokenizerJson as Readonly<Record<string, unknown>>
  const config = (tokenizerConfig ?? {}) as Config
  const { specialTokensInText = 'text', acceptUnknownPatterns = false } = options
  const model = readModel(file.model)
  const added = readAddedTokens(file.added_tokens, model)
  const steps = readSteps(file, { acceptUnknownPatterns })
  const tokens = tokenBytes(model, added, readDecoder(file.decoder))
  const ids = new Map(added.map(({ content, id }) => [content, id]))
  for (const [id, piece] of model.pieces.entries()) if (piece !== undefined) ids.set(piece, id)
  const endTokens = checkedEnds(options.endTokens ?? endsOf(config, file, ids), tokens.vocabularySize)
  return {
    kind: 'huggingface',
    vocabularySize: tokens.vocabularySize,
    startToken: startOf(config, file, ids),
    endTokens,
    specialTokens: new Map(added.filter(({ special }) => special).map(({ content, id }) => [content, id])),
    encode: textEncoder(libraryTokenizer(model, added, steps, config, specialTokensInText)),
    decode: (sequence) => decodeWhole(tokens, sequence),
    tokenBytes: (token) => bytesWithin(tokens, token, model.unknownToken),
    stream: () => textStream(tokens),
    toJSON: (): TokenizerFile => ({
      kind: 'huggingface',
      tokenizer: tokenizerJson,
      ...(tokenizerConfig !== undefined && tokenizerConfig !== null && { config: tokenizerConfig }),
      endTokens,
      specialTokensInText,
    }),
  }
}

interface Steps {
  readonly normalizer: Step | null
  readonly preTokenizer: Step | null
}

function readSteps(file: Readonly<Record<string, unknown>>, policy: PatternPolicy): Steps {
  const normalizer = readNormalizer(file.normalizer, policy)
  return { normalizer, preTokenizer: readPreTokenizer(file.pre_tokenizer, normalizer, policy) }
}

function tokenBytes(model: Model, added: readonly AddedToken[], decode: TokenDecoder): TokenBytes {
  const { pieces, unknownToken } = model
  const addedById = new Map(added.map((entry) => [entry.id, entry]))
  const replacement = new TextEncoder().encode('\ufffd')
  return {
    vocabularySize: added.reduce((size, { id }) => Math.max(size, id + 1), pieces.length),
    bytesOf: (id, atStart) => {
      if (id === unknownToken) return replacement
      const entry = addedById.get(id)
      const content = entry?.content ?? pieces[id]
      return content === undefined || entry?.special === true ? undefined : decode(content, { atStart, added: entry !== undefined })
    },
  }
}

/** No text that is encoded holds half of a surrogate pair, so pieces with such a name are never found in one. */
const unfindable = '\ud800'

/**
 * The library with the checked parts. It neither decodes nor adds tokens here, so it gets no decoder and no post-processor. Tokens
 * that a text must not yield are renamed for it.
 */
function libraryTokenizer(
  model: Model,
  added: readonly AddedToken[],
  { normalizer, preTokenizer }: Steps,
  config: Config,
  specialTokensInText: 'text' | 'tokens',
): Tokenizer {
  const hidden = new Set(specialTokensInText === 'text' ? added.filter(({ special }) => special).map(({ id }) => id) : [])
  const nameOf = (id: number) => (hidden.has(id) ? `${unfindable}${id}` : model.pieces[id])
  const hiddenPieces = new Set(added.filter(({ id }) => hidden.has(id)).map(({ content }) => content))
  const merges = model.merges.filter(([left, right]) => ![left, right, left + right].some((piece) => hiddenPieces.has(piece)))
  const entries = model.pieces.flatMap((piece, id) => (piece === undefined ? [] : [[nameOf(id)!, id] as const]))
  const { unknownToken } = model
  // Without an unknown token the library would drop characters in silence; this name has no id, which `textEncoder` notices.
  const unknown = unknownToken === undefined ? `${unfindable}unknown` : nameOf(unknownToken)
  const vocabulary =
    model.fields.type === 'Unigram'
      ? { vocab: entries.map(([name, id]) => [name, model.scores[id]]), unk_id: unknownToken ?? null }
      : { vocab: Object.fromEntries(entries), unk_token: unknown }
  return new Tokenizer(
    {
      model: { ...model.fields, ...vocabulary, ...(model.fields.type === 'BPE' && { merges }) },
      normalizer,
      pre_tokenizer: preTokenizer,
      post_processor: null,
      decoder: null,
      added_tokens: added.filter(({ id }) => !hidden.has(id)),
    },
    { remove_space: config.remove_space ?? false, do_lowercase_and_remove_accent: config.do_lowercase_and_remove_accent ?? false },
  )
}

function textEncoder(library: Tokenizer): (text: string) => number[] {
  return (text) => {
    const source = wellFormed(text)
    const ids = encodeWith(library, source)
    if (ids.every((id) => id !== undefined)) return ids
    throw new DataError('the text has characters that the vocabulary lacks, and it has no token for unknown ones')
  }
}

function encodeWith(library: Tokenizer, text: string): (number | undefined)[] {
  try {
    return library.encode(text, { add_special_tokens: false }).ids
  } catch (cause) {
    throw new DataError('the tokenizer library failed on this text', { fix: 'encode the text in parts', cause })
  }
}

function startOf(config: Config, file: Readonly<Record<string, unknown>>, ids: ReadonlyMap<string, number>): number | undefined {
  if (config.add_bos_token === false) return undefined
  const name = contentOf(config.bos_token)
  return name === undefined ? templateEnds(file, ids).first : idOfToken(name, ids, 'tokenizer_config.json: bos_token')
}

function endsOf(config: Config, file: Readonly<Record<string, unknown>>, ids: ReadonlyMap<string, number>): readonly number[] {
  const name = contentOf(config.eos_token)
  const id = name === undefined ? templateEnds(file, ids).last : idOfToken(name, ids, 'tokenizer_config.json: eos_token')
  return id === undefined ? [] : [id]
}

function contentOf(given: Config['bos_token']): string | undefined {
  return typeof given === 'string' ? given : (given?.content ?? undefined)
}

function idOfToken(name: string, ids: ReadonlyMap<string, number>, field: string): number {
  const id = ids.get(name)
  if (id === undefined) throw new FormatError(`${field} ${quoted(name)} is not in the vocabulary`)
  return id
}

const specialItem = v.object({ SpecialToken: v.object({ id: v.string() }) })
const template = v.object({ type: v.literal('TemplateProcessing'), single: v.pipe(v.array(v.unknown()), v.minLength(1)) })
const processors = v.object({ type: v.literal('Sequence'), processors: v.pipe(v.array(v.unknown()), v.maxLength(16)) })

/** The special tokens that the file's template for one text begins and ends with. */
function templateEnds(file: Readonly<Record<string, unknown>>, ids: ReadonlyMap<string, number>) {
  const given = file.post_processor
  const candidates = v.is(processors, given) ? given.processors : [given]
  const found = candidates.find((candidate) => v.is(template, candidate)) as v.InferOutput<typeof template> | undefined
  const idAt = (index: number) => {
    const item = found?.single.at(index)
    return v.is(specialItem, item) ? idOfToken(item.SpecialToken.id, ids, 'post_processor: token') : undefined
  }
  return { first: idAt(0), last: idAt(-1) }
}

function checkedEnds(given: readonly number[], vocabularySize: number): readonly number[] {
  for (const id of given) {
    if (id >= vocabularySize) throw new OptionError(`the end token ${id} is not in the vocabulary of ${vocabularySize}`)
  }
  return [...given]
}
