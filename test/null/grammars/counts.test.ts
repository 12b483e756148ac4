import { expect, it } from 'vitest'
import { openGrammarCompiler } from '../../../src/grammars/index.ts'
import { judge } from './accepts.ts'
import { tokenizers } from './write.ts'

const tokenizer = tokenizers.bytes()

it.each([
  [0, 31, 31],
  [0, 32, 32],
  [0, 49, 48],
  [0, 200, 192],
  [3, 52, 51],
  [100, 100, 100],
  [70, 90, 90],
  [50, 150, 146],
  [47, undefined, 300],
])('strings of %i to %s characters have that many, up to %i', async (minLength, maxLength, longest) => {
  await using grammars = await openGrammarCompiler({ tokenizer, worker: false })
  const schema = { type: 'string', minLength, ...(maxLength !== undefined && { maxLength }) }
  const constraint = await grammars.compile({ kind: 'json-schema', schema })
  const accepts = async (length: number) => (await judge(constraint, tokenizer, JSON.stringify('é'.repeat(length)))) === 'whole'
  for (const length of [
    0,
    1,
    31,
    32,
    33,
    63,
    64,
    65,
    minLength - 1,
    minLength,
    minLength + 1,
    longest - 1,
    longest,
    longest + 1,
    longest + 2,
  ]) {
    if (length >= 0)
      expect([length, await accepts(length)]).toEqual([
        length,
        length >= minLength && (maxLength === undefined || length <= longest),
      ])
  }
})
