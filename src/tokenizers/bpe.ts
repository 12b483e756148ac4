import * as v from 'valibot'
import { OptionError } from '../base/errors.ts'
import type { TokenizerFile } from '../base/model.ts'
import { checkOptions } from '../base/options.ts'
import { largestVocabulary, wellFormed } from './checked.ts'
import { mergeSymbols } from './merge.ts'
import { type NamedTokenizer, resolveSpecialTokens, type SpecialTokenOptions, specialTokenEntries } from './special-tokens.ts'
import { type SplitPattern, splitPatterns, wordSplitter, wordwise } from './split-words.ts'
import { bytesWithin, concatenate, decodeWhole, textStream } from './stream.ts'

export interface BpeOptions extends SpecialTokenOptions {
  /** Pairs of ids in the order they are merged; pair i becomes id 256 + i, so both halves lie below that. */
  readonly merges: readonly (readonly [number, number])[]
  /** Default 'gpt2'. */
  readonly pattern?: SplitPattern
}

/** Longest token, in bytes: thirty doubling merges would otherwise make a token of a gigabyte. */
export const longestToken = 1024
const mostTokenBytes = 2 ** 26

/** Valibot entries of the options shared by `bpeTokenizer` and `trainBpe`. */
export const bpeEntries = { ...specialTokenEntries, pattern: v.optional(v.picklist(splitPatterns)) }

const schema = v.strictObject({ ...bpeEntries, merges: v.custom<readonly unknown[]>(Array.isArray, 'merges is no list') })

/**
 * Byte-level byte-pair encoding (Sennrich et al. 2016, arXiv:1508.07909, on bytes as in GPT-2): ids 0 to 255 are bytes, then one id
 * per merge, then the special tokens. Lossless for every text without lone surrogates (those become U+FFFD). Encoding takes
 * O(n log n) steps, also for a text without a single space.
 *
 * @throws OptionError for unknown options, merges of ids that do not exist yet, a pair merged twice, or tokens above 1,024 bytes.
 * @example
 * const tokenizer = bpeTokenizer({ merges: [[116, 104], [256, 101]] })
 * tokenizer.encode('the') // [257]
 */
export function bpeTokenizer(options: BpeOptions): NamedTokenizer {
  checkOptions(schema, options, 'bpeTokenizer')
  const { pattern = 'gpt2' } = options
  const { merges, joined, bytes } = readMerges(options.merges)
  const special = resolveSpecialTokens(options, bytes.length)
  const tokens = { vocabularySize: bytes.length + special.byName.size, bytesOf: (id: number) => bytes[id] }
  return {
    kind: 'bpe',
    vocabularySize: tokens.vocabularySize,
    startToken: special.startToken,
    endTokens: special.endTokens,
    specialTokens: special.byName,
    encode: wordEncoder(joined, pattern),
    decode: (ids) => decodeWhole(tokens, ids),
    tokenBytes: (token) => bytesWithin(tokens, token),
    stream: () => textStream(tokens),
    toJSON: (): TokenizerFile => ({ kind: 'bpe', merges, pattern, ...special.options }),
  }
}

interface Merges {
  readonly merges: readonly (readonly [number, number])[]
  /** The id that two ids become; undefined when they never merge. */
  readonly joined: (left: number, right: number) => number | undefined
  /** Bytes of every id. */
  readonly bytes: readonly Uint8Array[]
}

function readMerges(given: readonly (readonly [number, number])[]): Merges {
  if (given.length + 256 > largestVocabulary) {
    throw new OptionError(`${given.length} merges`, { expected: `at most ${largestVocabulary - 256}` })
  }
  const merges: [number, number][] = []
  const bytes: Uint8Array[] = Array.from({ length: 256 }, (_, byte) => Uint8Array.of(byte))
  // Keys are small integers, which maps find fastest, up to 2^15 ids, and exact up to 2^26.
  const pairs = new Map<number, number>()
  const span = 256 + given.length
  let total = 256
  for (const pair of given) {
    const [left, right] = checkedPair(pair, bytes.length)
    const joined = concatenate([bytes[left]!, bytes[right]!])
    total += joined.length
    if (joined.length > longestToken || total > mostTokenBytes) {
      throw new OptionError(`merge ${merges.length} makes the tokens too long`, {
        expected: `at most ${longestToken} bytes a token, ${mostTokenBytes} in all`,
      })
    }
    if (pairs.has(left * span + right)) throw new OptionError(`merge ${merges.length} repeats the pair ${left}, ${right}`)
    pairs.set(left * span + right, bytes.length)
    merges.push([left, right])
    bytes.push(joined)
  }
  return { merges, joined: (left, right) => pairs.get(left * span + right), bytes }
}

function checkedPair(pair: unknown, known: number): readonly [number, number] {
  const isId = (id: unknown): id is number => Number.isInteger(id) && (id as number) >= 0 && (id as number) < known
  if (Array.isArray(pair) && pair.length === 2 && isId(pair[0]) && isId(pair[1])) return [pair[0], pair[1]]
  throw new OptionError(`merge ${known - 256} is no pair of earlier ids`, { expected: `two integers from 0 to ${known - 1}` })
}

function wordEncoder(joined: Merges['joined'], pattern: SplitPattern): (text: string) => number[] {
  const split = wordSplitter(pattern)
  const encoder = new TextEncoder()
  const rule = {
    join: (left: number, right: number) => joined(left, right) ?? -1,
    rank: (token: number) => token - 256,
  }
  const encodeWords = wordwise((word) => mergeSymbols(encoder.encode(word), rule).tokens)
  return (text) => encodeWords(split(wellFormed(text)))
}
