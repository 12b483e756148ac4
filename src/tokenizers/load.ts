import { FormatError } from '../base/errors.ts'
import type { TokenizerFile } from '../base/model.ts'
import { bpeTokenizer } from './bpe.ts'
import { bytesTokenizer } from './bytes.ts'
import { charactersTokenizer } from './characters.ts'
import { asFormatErrors, quoted } from './checked.ts'
import { sentencePieceTokenizer } from './sentencepiece.ts'
import type { NamedTokenizer } from './special-tokens.ts'
import { tokenizerFromHuggingFace } from './tokenizer-json.ts'

export interface LoadTokenizerOptions {
  /** As in `tokenizerFromHuggingFace`. The consent is the caller's: no file can give it. */
  readonly acceptUnknownPatterns?: boolean
}

type Fields = Readonly<Record<string, unknown>>
type Loader = (fields: Fields, options: LoadTokenizerOptions) => NamedTokenizer

// Each constructor checks what it gets, so the fields need no types here.
const loaders: Readonly<Record<string, Loader>> = {
  bytes: (fields) => bytesTokenizer(fields),
  characters: ({ alphabet, ...options }) => charactersTokenizer(alphabet as string[], options),
  bpe: (fields) => bpeTokenizer(fields as unknown as Parameters<typeof bpeTokenizer>[0]),
  sentencepiece: (fields) => sentencePieceTokenizer(fields as unknown as Parameters<typeof sentencePieceTokenizer>[0]),
  huggingface: ({ tokenizer, config, ...options }, { acceptUnknownPatterns = false }) => {
    if ('acceptUnknownPatterns' in options) throw new FormatError('a tokenizer file may not consent to unknown patterns')
    return tokenizerFromHuggingFace(tokenizer, config, { ...options, acceptUnknownPatterns })
  },
}

/**
 * The tokenizer whose `toJSON` gave `file`, from a source of any kind: every field is checked.
 *
 * @throws FormatError when the kind is unknown or a field is missing, unknown or malformed.
 * @example
 * const tokenizer = loadTokenizer(JSON.parse(text))
 */
export function loadTokenizer(file: TokenizerFile, options: LoadTokenizerOptions = {}): NamedTokenizer {
  if (typeof file !== 'object' || file === null || typeof file.kind !== 'string') {
    throw new FormatError('the tokenizer file is no object with a kind')
  }
  const { kind, ...fields } = file
  const load = Object.hasOwn(loaders, kind) ? loaders[kind] : undefined
  if (load === undefined) {
    throw new FormatError(`the tokenizer kind ${quoted(kind)} is unknown`, { expected: Object.keys(loaders).join(', ') })
  }
  return asFormatErrors(`the tokenizer file of kind ${kind}`, () => load(fields, options))
}
