import { StringDecoder } from 'node:string_decoder'
import type { TextTokenizer } from '../../../src/base/model.ts'

/** UTF-8 bytes, then a start token and an end token. */
export const byteTokenizer: TextTokenizer = {
  kind: 'bytes',
  vocabularySize: 258,
  startToken: 256,
  endTokens: [257],
  encode: (text) => [...Buffer.from(text)],
  decode: (ids) => Buffer.from(ids.filter((id) => id < 256)).toString(),
  tokenBytes: (id) => (id < 256 ? Uint8Array.of(id) : undefined),
  stream: () => {
    const decoder = new StringDecoder('utf8')
    return { push: (id) => (id < 256 ? decoder.write(Buffer.of(id)) : ''), end: () => decoder.end() }
  },
  toJSON: () => ({ kind: 'bytes' }),
}
