import { describe, expect, test } from 'vitest'
import { FormatError } from '../../../src/base/errors.ts'
import { loadTokenizer, tokenizerFromGguf } from '../../../src/tokenizers/index.ts'
import { gpt2Metadata, llamaMetadata, smallGpt2, smallLlama } from './gguf-metadata.ts'
import { readVectors } from './published.ts'

const published = [
  ['gpt-2', () => gpt2Metadata('gpt-2')],
  ['llama-spm', llamaMetadata],
  ['phi-3', llamaMetadata],
] as const

for (const [name, metadata] of published) {
  const cases = readVectors(name)
  test.runIf(cases)(`gives llama.cpp's ids (${name})`, () => {
    const tokenizer = tokenizerFromGguf(metadata())
    for (const { text, ids } of cases!) expect(tokenizer.encode(text)).toEqual(ids)
    expect(cases).toHaveLength(47)
  })
}

describe('byte-level vocabularies', () => {
  test('control tokens and ends of turns are no text, user-defined tokens are', () => {
    const tokenizer = tokenizerFromGguf(smallGpt2())
    expect(tokenizer.encode('hel<think>')).toEqual([257, 260])
    expect(tokenizer.encode('<s><|im_end|>').every((id) => id < 256)).toBe(true)
    expect(tokenizer.decode([257, 260, 258, 259])).toBe('hel<think>')
    expect([...tokenizer.specialTokens]).toEqual([
      ['<s>', 258],
      ['<|im_end|>', 259],
    ])
  })

  test('sequences start and end as the file says', () => {
    const startOf = (changes: Readonly<Record<string, unknown>>) => tokenizerFromGguf(smallGpt2(changes)).startToken
    expect([startOf({}), startOf({ add_bos_token: true }), startOf({ pre: 'llama-bpe' })]).toEqual([undefined, 258, 258])
    expect(startOf({ pre: 'llama-bpe', add_bos_token: false })).toBe(undefined)
    expect(tokenizerFromGguf(smallGpt2()).endTokens).toEqual([258, 259])
    expect(tokenizerFromGguf(smallGpt2({ eos_token_id: undefined, eot_token_id: 260n })).endTokens).toEqual([260, 259])
  })

  test('llama-bpe takes words that are tokens whole', () => {
    const merges = ['h e']
    expect(tokenizerFromGguf(smallGpt2({ merges })).encode('hel')).toEqual([256, 108])
    expect(tokenizerFromGguf(smallGpt2({ merges, pre: 'llama-bpe' })).encode('hel')).toEqual([257])
  })

  test('survive being saved', () => {
    for (const pre of ['default', 'gpt-2', 'llama-bpe', 'qwen2', 'smollm', 'falcon', 'deepseek-llm', 'deepseek-v3', 'tekken']) {
      const tokenizer = tokenizerFromGguf(smallGpt2({ pre, add_bos_token: true }))
      const again = loadTokenizer(JSON.parse(JSON.stringify(tokenizer.toJSON())))
      const text = "Hello world's\u0085 12345 <think>\n\n  漢字 $x"
      expect(again.encode(text)).toEqual(tokenizer.encode(text))
      expect([again.startToken, again.endTokens]).toEqual([258, [258, 259]])
    }
  })
})

describe('SentencePiece vocabularies', () => {
  test('user-defined tokens are taken whole, others by merging and bytes', () => {
    const tokenizer = tokenizerFromGguf(smallLlama())
    expect(tokenizer.encode('a<|user|>ab')).toEqual([7, 8, 6, 4])
    expect(tokenizer.encode(' a')).toEqual([5, 7])
    expect(tokenizer.encode('  ')).toEqual([9, 5])
    expect(tokenizer.encode('<s>')).not.toContain(1)
    expect(tokenizer.decode([1, 7, 8, 6, 4])).toBe('a<|user|>ab')
    expect([tokenizer.startToken, tokenizer.endTokens]).toEqual([1, [2]])
  })

  test('the first three ids need no naming', () => {
    const ids = { bos_token_id: undefined, eos_token_id: undefined, unknown_token_id: undefined }
    const tokenizer = tokenizerFromGguf(smallLlama(ids))
    expect([tokenizer.startToken, tokenizer.endTokens, tokenizer.encode('z')]).toEqual([1, [2], [5, 0]])
  })

  test('the file says whether a text begins with a space and a sequence with a token', () => {
    const tokenizer = tokenizerFromGguf(smallLlama({ add_space_prefix: false, add_bos_token: false }))
    expect([tokenizer.encode('a'), tokenizer.startToken]).toEqual([[6], undefined])
    expect(tokenizer.specialTokens.get('<s>')).toBe(1)
  })
})

const types = (...given: number[]) => Int32Array.from(given)
const tokens = ['<unk>', '<s>', '</s>', '<0x0A>', '<0x62>', '▁', 'a', '▁a', '<|user|>', '▁▁']

test.each<[Readonly<Record<string, unknown>>, string]>([
  [{ model: undefined }, 'model is missing'],
  [{ model: 'bert' }, '"bert"'],
  [{ model: 7 }, 'number'],
  [{ tokens: undefined }, 'tokens is missing'],
  [{ tokens: [] }, '0 entries'],
  [{ tokens: 'abc' }, 'no list of strings'],
  [{ tokens: [...tokens.slice(1), 5] }, 'no list of strings'],
  [{ tokens: tokens.with(6, '▁a') }, 'both'],
  [{ tokens: tokens.with(6, '') }, 'empty'],
  [{ tokens: tokens.with(6, '\ud800') }, 'surrogate'],
  [{ tokens: tokens.with(3, '<0x-1>') }, '<0x-1>'],
  [{ tokens: tokens.with(6, '<0x-1>') }, '<0x-1>'],
  [{ tokens: tokens.with(3, '<0x62>') }, 'both'],
  [{ tokens: tokens.with(3, '<0x1FF>') }, 'no byte'],
  [{ tokens: tokens.with(3, 'ten') }, 'no byte'],
  [{ scores: undefined }, 'scores is missing'],
  [{ scores: new Float32Array(9) }, '9 entries'],
  [{ scores: new Float32Array(10).fill(Number.NaN) }, 'NaN'],
  [{ scores: new Float32Array(10).fill(Number.POSITIVE_INFINITY) }, 'Infinity'],
  [{ scores: new BigInt64Array(10) }, 'bigint'],
  [{ scores: new DataView(new ArrayBuffer(10)) }, 'no list'],
  [{ token_type: types(1) }, '1 entries'],
  [{ token_type: types(2, 3, 3, 6, 6, 1, 1, 1, 4, 7) }, 'type 7'],
  [{ token_type: types(2, 3, 3, 6, 6, 1, 1, 1, 4, -1) }, 'type -1'],
  [{ bos_token_id: 10 }, '0 to 9'],
  [{ eos_token_id: -1 }, '-1'],
  [{ eot_token_id: 2n ** 63n }, '0 to 9'],
  [{ unknown_token_id: 0.5 }, '0.5'],
  [{ padding_token_id: 2 ** 32 - 1 }, '4294967295'],
  [{ bos_token_id: '1' }, '"1"'],
  [{ add_bos_token: 1 }, 'boolean'],
  [{ add_space_prefix: 'yes' }, 'boolean'],
])('refuses the SentencePiece vocabulary with %o', (changes, problem) => {
  expect(() => tokenizerFromGguf(smallLlama(changes))).toThrow(FormatError)
  expect(() => tokenizerFromGguf(smallLlama(changes))).toThrow(problem)
})

test.each<[Readonly<Record<string, unknown>>, string]>([
  [{ merges: undefined }, 'merges is missing'],
  [{ merges: ['h q', 'h e'] }, 'merge 0'],
  [{ merges: ['hel'] }, 'merge 0'],
  [{ merges: ['h e l'] }, 'merge 0'],
  [{ merges: new Float32Array(3) }, 'no list of strings'],
  [{ pre: 'tomorrow' }, '"tomorrow"'],
  [{ pre: '__proto__' }, '"__proto__"'],
  [{ pre: 5 }, 'number'],
  [{ bos_token_id: 261 }, '0 to 260'],
  [{ tokens: ['a', 'a'], token_type: types(1, 1) }, 'both'],
])('refuses the byte-level vocabulary with %o', (changes, problem) => {
  expect(() => tokenizerFromGguf(smallGpt2(changes))).toThrow(FormatError)
  expect(() => tokenizerFromGguf(smallGpt2(changes))).toThrow(problem)
})
