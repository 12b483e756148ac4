import { describe, expect, test } from 'vitest'
import { DataError, FormatError, OptionError } from '../../../src/base/errors.ts'
import { bytesTokenizer, charactersTokenizer, loadTokenizer, trainCharacters } from '../../../src/tokenizers/index.ts'

describe('charactersTokenizer', () => {
  test('gives the places in the alphabet', () => {
    const tokenizer = charactersTokenizer('ab🦙', { specialTokens: ['<end>'], endTokens: ['<end>'] })
    expect(tokenizer.encode('🦙ba')).toEqual([2, 1, 0])
    expect([tokenizer.vocabularySize, tokenizer.endTokens, tokenizer.decode([2, 3, 0])]).toEqual([4, [3], '🦙a'])
  })

  test('names an unknown character and its place', () => {
    expect(() => charactersTokenizer('ab🦙').encode('a🦙é')).toThrow(DataError)
    expect(() => charactersTokenizer('ab🦙').encode('a🦙é')).toThrow('"é" (U+00E9) at index 3')
  })

  test('maps unknown characters to the unknown token when there is one', () => {
    const tokenizer = charactersTokenizer('ab', { specialTokens: ['<unknown>'], unknownToken: '<unknown>' })
    expect(tokenizer.encode('axb🦙')).toEqual([0, 2, 1, 2])
    expect(tokenizer.decode([0, 2, 1])).toBe('a\ufffdb')
  })

  test.each([
    ['', 'empty'],
    [[], 'empty'],
    ['aba', '"a" (U+0061) twice'],
    [['ab'], 'not one character'],
    [['e\u0301'], 'not one character'],
    [['a', ''], 'empty'],
    [['\ud800'], 'surrogate'],
    [[5], 'number'],
    [undefined, 'empty'],
  ])('refuses the alphabet %o', (alphabet, problem) => {
    const open = () => charactersTokenizer(alphabet as string)
    expect(open).toThrow(OptionError)
    expect(open).toThrow(problem)
  })

  test.each([
    { unknownToken: '<unknown>' },
    { specialTokens: ['a', 'a'] },
    { specialTokens: [''] },
    { specialTokens: ['<end>'], endTokens: ['<start>'] },
    { unknown: 'skip' },
  ])('refuses the options %o', (options) => {
    expect(() => charactersTokenizer('ab', options)).toThrow(OptionError)
  })
})

describe('trainCharacters', () => {
  test('takes every character, in code point order', () => {
    expect(trainCharacters(['b🦙\uffe5', 'ab']).toJSON().alphabet).toEqual(['a', 'b', '\uffe5', '🦙'])
  })

  test('refuses texts without characters', () => {
    expect(() => trainCharacters(['', ''])).toThrow(DataError)
  })
})

describe('bytesTokenizer', () => {
  test('gives bytes, and U+FFFD for half a surrogate pair', () => {
    expect(bytesTokenizer().encode('é\ud800')).toEqual([0xc3, 0xa9, 0xef, 0xbf, 0xbd])
  })

  test('holds back incomplete characters and marks invalid bytes', () => {
    const stream = bytesTokenizer().stream()
    expect([0xf0, 0x9f, 0xa6, 0x99, 0xc3, 0x61, 0xff, 0xe2].map((id) => stream.push(id))).toEqual([
      '',
      '',
      '',
      '🦙',
      '',
      '\ufffda',
      '\ufffd',
      '',
    ])
    expect(stream.end()).toBe('\ufffd')
  })

  test('keeps a byte order mark', () => {
    expect(bytesTokenizer().decode([0xef, 0xbb, 0xbf, 0x61])).toBe('\ufeffa')
  })
})

describe('loadTokenizer', () => {
  test.each([
    null,
    5,
    {},
    { kind: 'none' },
    { kind: '__proto__' },
    { kind: 'constructor' },
    { kind: 'bytes', specialTokens: 'x' },
    { kind: 'bytes', specialTokens: ['a', 'a'] },
    { kind: 'characters' },
    { kind: 'characters', alphabet: 5 },
    { kind: 'bpe' },
    { kind: 'bpe', merges: [[256, 257]] },
    { kind: 'bpe', merges: [], pattern: '(a+)+$' },
    { kind: 'sentencepiece', pieces: [] },
    { kind: 'sentencepiece', pieces: [['a', 0]], startToken: 1 },
    { kind: 'huggingface' },
    { kind: 'huggingface', tokenizer: { model: {} } },
    { kind: 'huggingface', tokenizer: {}, acceptUnknownPatterns: true },
  ])('refuses the file %o', (file) => {
    expect(() => loadTokenizer(file as { kind: string })).toThrow(FormatError)
  })
})
