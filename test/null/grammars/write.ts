import type { TextTokenizer } from '../../../src/base/model.ts'
import type { Constraint } from '../../../src/decode/constraint.ts'
import { generateText } from '../../../src/decode/generate-text.ts'
import type { LogitsRule } from '../../../src/decode/logits.ts'
import { bytesTokenizer, sentencePieceTokenizer, trainBpe } from '../../../src/tokenizers/index.ts'
import { hashedLogits, StubStepper } from '../decode/stub-stepper.ts'
import { stories260K } from '../tokenizers/published.ts'

const story = 'Once upon a time, there was a {"name": "cat", "age": 3, "list": [true, false, null]} of 12345 years and 67.89 days.'

/** Of one byte a token, and of many. */
export const tokenizers = {
  bytes: () => bytesTokenizer({ specialTokens: ['<end>'], endTokens: ['<end>'] }),
  'bytes without end tokens': () => bytesTokenizer(),
  'byte pairs': () =>
    trainBpe([story, story, JSON.stringify({ a: { b: [{ c: '"' }] } })], {
      vocabularySize: 320,
      pattern: 'none',
      specialTokens: ['<start>', '<end>'],
      endTokens: ['<end>'],
    }),
  sentencepiece: () => sentencePieceTokenizer(stories260K()),
} satisfies Readonly<Record<string, () => TextTokenizer>>

export interface Written {
  readonly text: string
  readonly finish: string | undefined
  readonly tokens: number
}

/** What random logits write under a constraint. After `patience` tokens they want to come to an end. */
export async function write(
  tokenizer: TextTokenizer,
  constraint: Constraint,
  seed: number,
  { patience = 30, most = 600 } = {},
): Promise<Written> {
  const { vocabularySize } = tokenizer
  const logitsOf = hashedLogits(vocabularySize, seed)
  const stepper = new StubStepper(vocabularySize, most + 10, (tokens) => logitsOf(tokens.slice(-3)))
  const closing = [...tokenizer.endTokens, ...closers(tokenizer)]
  const rule: LogitsRule = (logits, { tokens, promptLength }) => {
    if (tokens.length - promptLength < patience) return logits
    const wanting = logits.slice()
    for (const id of closing) wanting[id]! += 100
    return wanting
  }
  let text = ''
  let finish: string | undefined
  let tokens = 0
  const prompt = tokenizer.startToken === undefined ? 'a' : ''
  for await (const piece of generateText(stepper, tokenizer, prompt === '' ? 'a' : prompt, {
    constraint,
    rules: [rule],
    seed,
    maxTokens: most,
  })) {
    text += piece.text
    finish = piece.finish
    tokens += piece.tokens.length
  }
  return { text, finish, tokens }
}

function closers(tokenizer: TextTokenizer): number[] {
  const ids = Array.from({ length: tokenizer.vocabularySize }, (_, id) => id)
  return ids.filter((id) => ['"', '}', ']'].includes(Buffer.from(tokenizer.tokenBytes(id) ?? []).toString()))
}
