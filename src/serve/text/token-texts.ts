import type { TextTokenizer } from '../../base/model.ts'

/** What one token stands for. */
export interface TokenText {
  readonly token: string
  readonly bytes: readonly number[]
}

const encoder = new TextEncoder()

/** The text of a token within a text; of a piece of a character, what its bytes alone decode to. */
export function tokenText(tokenizer: TextTokenizer, id: number): TokenText {
  const token = tokenizer.decode([id])
  return { token, bytes: [...encoder.encode(token)] }
}
