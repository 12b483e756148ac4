import type { TextTokenizer } from '../../../src/base/model.ts'
import type { Constraint } from '../../../src/decode/constraint.ts'

export type Verdict = 'no' | 'begins' | 'whole'

/** What a constraint says of a text, byte by byte: `begins`, one of its texts goes on from there. Over the tokenizer of bytes with one end token. */
export async function judge(constraint: Constraint, tokenizer: TextTokenizer, text: string | Uint8Array): Promise<Verdict> {
  const state = await constraint.open()
  try {
    for (const byte of typeof text === 'string' ? new TextEncoder().encode(text) : text) {
      if (state.finished || !isAllowed(await state.allowed(), byte)) return 'no'
      await state.advance(byte)
    }
    const allowed = await state.allowed()
    return isAllowed(allowed, tokenizer.endTokens[0]!) ? 'whole' : 'begins'
  } finally {
    await state.close()
  }
}

export function isAllowed(words: Int32Array | undefined, id: number): boolean {
  return words === undefined || ((words[id >> 5] ?? 0) & (1 << (id & 31))) !== 0
}
