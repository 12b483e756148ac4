import type { TextTokenizer } from '../../base/model.ts'

/** What one token stands for. */
export interface TokenText {
  readonly token: string
  readonly bytes: readonly number[]
}

const decoder = new TextDecoder()

/** The text of a token as it stands within a text, and its bytes, of which a text may be a piece of a character; control tokens have none. */
export function tokenText(tokenizer: TextTokenizer, id: number): TokenText {
  const bytes = tokenizer.tokenBytes(id) ?? new Uint8Array()
  return { token: decoder.decode(bytes), bytes: [...bytes] }
}
