import * as v from 'valibot'
import type { TokenizerFile } from '../base/model.ts'
import { checkOptions } from '../base/options.ts'
import { wellFormed } from './checked.ts'
import { type NamedTokenizer, resolveSpecialTokens, type SpecialTokenOptions, specialTokenEntries } from './special-tokens.ts'
import { bytesWithin, decodeWhole, textStream } from './stream.ts'

const schema = v.strictObject(specialTokenEntries)

/**
 * UTF-8 bytes as ids 0 to 255; special tokens follow from 256. Lossless for every text without lone surrogates (those become
 * U+FFFD, as in every UTF-8 encoder).
 *
 * @throws OptionError for unknown options and for special tokens that are empty, repeated or not listed.
 * @example
 * const tokenizer = bytesTokenizer({ specialTokens: ['<end>'], endTokens: ['<end>'] })
 * tokenizer.encode('é') // [195, 169]
 */
export function bytesTokenizer(options: SpecialTokenOptions = {}): NamedTokenizer {
  checkOptions(schema, options, 'bytesTokenizer')
  const special = resolveSpecialTokens(options, 256)
  const encoder = new TextEncoder()
  const singles = Array.from({ length: 256 }, (_, byte) => Uint8Array.of(byte))
  const tokens = {
    vocabularySize: 256 + special.byName.size,
    bytesOf: (id: number) => singles[id],
  }
  return {
    kind: 'bytes',
    vocabularySize: tokens.vocabularySize,
    startToken: special.startToken,
    endTokens: special.endTokens,
    specialTokens: special.byName,
    encode: (text) => Array.from(encoder.encode(wellFormed(text))),
    decode: (ids) => decodeWhole(tokens, ids),
    tokenBytes: (token) => bytesWithin(tokens, token),
    stream: () => textStream(tokens),
    toJSON: (): TokenizerFile => ({ kind: 'bytes', ...special.options }),
  }
}
