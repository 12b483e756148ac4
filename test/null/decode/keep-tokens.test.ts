import fc from 'fast-check'
import { expect, test } from 'vitest'
import { keepTokens } from '../../../src/decode/keep-tokens.ts'
import { sentencePieceTokenizer } from '../../../src/tokenizers/index.ts'
import { stories260K } from '../tokenizers/published.ts'

const tokenizer = sentencePieceTokenizer(stories260K())
/** One character, one token: never how the tokenizer cuts a text. */
const spelled = (text: string) => [...text].map((character) => stories260K().pieces.findIndex(([piece]) => piece === character))

test('an answer keeps its own tokens where the text goes on behind it', () => {
  const start = [1, ...tokenizer.encode('Once')]
  const held = [...start, ...spelled(' upon a time')]
  const prompt = [...start, ...tokenizer.encode('upon a time'), 1, ...tokenizer.encode('there')]
  const kept = keepTokens(tokenizer, prompt, held, start.length)
  expect(kept).toEqual([...held, 1, ...tokenizer.encode('there')])
})

test('not where the text differs, a control token stands in it, or the cuts do not meet', () => {
  const start = [1, ...tokenizer.encode('Once')]
  const held = [...start, ...spelled(' upon')]
  const unchanged = (prompt: readonly number[], given = held) =>
    expect(keepTokens(tokenizer, prompt, given, start.length)).toBe(prompt)
  unchanged([...start, ...tokenizer.encode('under a')])
  unchanged([...start, ...tokenizer.encode('up'), 2, ...spelled('on')])
  unchanged([1, ...tokenizer.encode('Twice upon')])
  unchanged([...start, ...tokenizer.encode('there')], [...start, ...spelled(' t')])
  unchanged([...start, ...tokenizer.encode('up')])
  unchanged([...start, ...tokenizer.encode('upon')], start)
})

test('whatever is kept says what the prompt says', () => {
  const words = fc
    .array(fc.constantFrom('Once', ' upon', ' a', ' time', '\n', 'é', ' the'), { minLength: 1, maxLength: 6 })
    .map((parts) => parts.join(''))
  fc.assert(
    fc.property(words, words, fc.array(fc.nat({ max: 511 }), { maxLength: 8 }), (asked, rest, answer) => {
      const start = [1, ...tokenizer.encode(asked)]
      const held = [...start, ...answer]
      const prompt = [...start, ...tokenizer.encode(tokenizer.decode(held).slice(asked.length) + rest)]
      const kept = keepTokens(tokenizer, prompt, held, start.length)
      expect(tokenizer.decode(kept)).toBe(tokenizer.decode(prompt))
      if (kept !== prompt) expect(kept.slice(0, held.length)).toEqual(held)
    }),
    { seed: 2, numRuns: 300 },
  )
})
