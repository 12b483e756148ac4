import { FormatError } from '../base/errors.ts'
import { asFormatErrors, quoted } from './checked.ts'
import {
  type GgufMetadata,
  type GgufVocabulary,
  readFlag,
  readGgufVocabulary,
  readNumbers,
  readText,
  readTexts,
  tokenTypes,
} from './gguf/metadata.ts'
import { preTokenizer } from './gguf/pre-tokenizers.ts'
import { sentencePieceTokenizer } from './sentencepiece.ts'
import type { NamedTokenizer } from './special-tokens.ts'
import { tokenizerFromHuggingFace } from './tokenizer-json.ts'

export type { GgufMetadata } from './gguf/metadata.ts'

/**
 * The tokenizer that the metadata of a GGUF file describe (keys `tokenizer.ggml.…`): `llama`, SentencePiece's BPE with scores, or
 * `gpt2`, byte-level BPE with merges, whose words are cut as `tokenizer.ggml.pre` says.
 *
 * Control tokens are never found in a text; tokens of type *user-defined* are, as a whole. Tokens with a well-known name that end a
 * turn (`<|im_end|>`, `<|eot_id|>` …) are control tokens and `endTokens` whatever their type says. `startToken` is the file's when
 * sequences begin with it. No `encode` adds an end, so `add_eos_token` is not looked at.
 *
 * @throws FormatError when a key is missing or of another type, arrays differ in length, tokens are repeated or malformed
 * (`<0x-1>`), scores are not finite, merges name tokens that there are not, ids are outside the vocabulary, or the kind of the
 * vocabulary or its pre-tokenizer is not supported.
 * @example
 * const tokens = ['<unk>', '<s>', '</s>', '▁a', '▁', 'a']
 * const metadata = new Map<string, unknown>([
 *   ['tokenizer.ggml.model', 'llama'],
 *   ['tokenizer.ggml.tokens', tokens],
 *   ['tokenizer.ggml.token_type', Int32Array.of(2, 3, 3, 1, 1, 1)],
 *   ['tokenizer.ggml.scores', Float32Array.of(0, 0, 0, -1, -2, -3)],
 * ])
 * const tokenizer = tokenizerFromGguf(metadata)
 * tokenizer.encode('a a') // [3, 3]
 */
export function tokenizerFromGguf(metadata: GgufMetadata): NamedTokenizer {
  const model = readText(metadata, 'model')
  if (model === undefined)
    throw new FormatError('tokenizer.ggml.model is missing', { fix: 'the file has no tokenizer: load one beside it' })
  return asFormatErrors('the tokenizer of the GGUF file', () => {
    if (model === 'llama') return sentencePiece(metadata)
    if (model === 'gpt2') return byteLevel(metadata)
    throw new FormatError(`tokenizer.ggml.model is ${quoted(model)}`, { expected: "'llama' or 'gpt2'" })
  })
}

function sentencePiece(metadata: GgufMetadata): NamedTokenizer {
  const vocabulary = readGgufVocabulary(metadata, { bos_token_id: 1, eos_token_id: 2, unknown_token_id: 0 })
  const { tokens, types, bos, addBos = true, unknown, ends } = vocabulary
  const scores = readNumbers(metadata, 'scores', tokens.length)
  if (scores === undefined) throw new FormatError('tokenizer.ggml.scores is missing')
  for (const [id, type] of types.entries()) {
    if (type === tokenTypes.byte && !/^<0x[0-9A-Fa-f]{2}>$/.test(tokens[id]!)) {
      throw new FormatError(`token ${id}, ${quoted(tokens[id]!)}, is no byte`, { expected: '<0x00> to <0xFF>' })
    }
  }
  const startToken = addBos ? bos : undefined
  return sentencePieceTokenizer({
    pieces: tokens.map((token, id) => [token, scores[id]!]),
    spaceMarker: marker,
    leadingSpace: readFlag(metadata, 'add_space_prefix') ?? true,
    ...(startToken !== undefined && { startToken }),
    ...(unknown !== undefined && { unknownToken: unknown }),
    endTokens: ends,
    controlTokens: [...controlTokens(vocabulary), ...(bos === undefined ? [] : [bos])],
    // Pieces that write spaces are found by merging: a text has none of their markers.
    wholeTokens: userTokens(vocabulary).filter((id) => !tokens[id]!.includes(marker)),
  })
}

const marker = '▁'

/** The same vocabulary as a tokenizer.json says it. */
function byteLevel(metadata: GgufMetadata): NamedTokenizer {
  const vocabulary = readGgufVocabulary(metadata)
  const { tokens, bos, unknown, ends } = vocabulary
  const { cuts, ignoreMerges = false, addBos = false } = preTokenizer(readText(metadata, 'pre'))
  const control = new Set([...controlTokens(vocabulary), ...ends, bos, unknown].filter((id) => id !== undefined))
  const added = (id: number) => ({ id, content: tokens[id]!, special: control.has(id), normalized: false })
  const startToken = (vocabulary.addBos ?? addBos) ? bos : undefined
  const byteSteps = { type: 'ByteLevel', add_prefix_space: false, trim_offsets: true, use_regex: false }
  const split = (regex: string) => ({ type: 'Split', pattern: { Regex: regex }, behavior: 'Isolated', invert: false })
  return tokenizerFromHuggingFace(
    {
      added_tokens: [...new Set([...control, ...userTokens(vocabulary)])].map(added),
      pre_tokenizer: { type: 'Sequence', pretokenizers: [...cuts.map(split), byteSteps] },
      decoder: byteSteps,
      model: {
        type: 'BPE',
        ignore_merges: ignoreMerges,
        vocab: Object.fromEntries(tokens.map((token, id) => [token, id])),
        merges: readTexts(metadata, 'merges'),
      },
    },
    startToken === undefined ? {} : { bos_token: tokens[startToken] },
    { endTokens: ends },
  )
}

function controlTokens({ types }: GgufVocabulary): number[] {
  const hidden: readonly number[] = [tokenTypes.control, tokenTypes.unknown, tokenTypes.unused]
  return [...types.keys()].filter((id) => hidden.includes(types[id]!))
}

/** Those that are found in a text as a whole. */
function userTokens({ types, ends }: GgufVocabulary): number[] {
  return [...types.keys()].filter((id) => types[id] === tokenTypes.userDefined && !ends.includes(id))
}
