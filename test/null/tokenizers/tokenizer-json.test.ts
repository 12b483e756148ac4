import { Tokenizer } from '@huggingface/tokenizers'
import fc from 'fast-check'
import { encode as encodeGpt2 } from 'gpt-3-encoder'
import { describe, expect, test } from 'vitest'
import { DataError, FormatError, OptionError } from '../../../src/base/errors.ts'
import { knownPatterns } from '../../../src/tokenizers/huggingface/known-patterns.ts'
import { bpeTokenizer, loadTokenizer, sentencePieceTokenizer, tokenizerFromHuggingFace } from '../../../src/tokenizers/index.ts'
import { gpt2ByteIds, gpt2Config, gpt2IdMerges, gpt2Json, llamaJson, llamaPieces, readVectors } from './published.ts'
import { smallByteLevel, smallUnigram, smallWordPiece } from './small-files.ts'
import { anyText } from './texts.ts'

const words = fc.array(
  fc.constantFrom('Hello', ' world', "'s", ' 123', '\n\n', '  ', 'é', '漢字', '🦙', '\t', ' the', '!!', '<|endoftext|>', '</s>'),
)
const texts = fc.oneof(
  words.map((parts) => parts.join('')),
  anyText,
)

function check<T>(values: fc.Arbitrary<T>, promise: (value: T) => void): void {
  fc.assert(
    fc.property(values, (value) => {
      promise(value)
    }),
    { seed: 7, numRuns: 150 },
  )
}

describe("GPT-2's tokenizer.json", () => {
  const json = gpt2Json()
  const tokenizer = tokenizerFromHuggingFace(json, gpt2Config)
  const own = bpeTokenizer({ merges: gpt2IdMerges() })
  const byteIds = gpt2ByteIds()
  const encodeOwn = (text: string) => own.encode(text).map((id) => byteIds[id] ?? id)

  const cases = readVectors('gpt-2')
  test.runIf(cases)("gives llama.cpp's ids, as our own byte-level BPE does", () => {
    for (const { text, ids } of cases!) {
      expect(tokenizer.encode(text)).toEqual(ids)
      expect(encodeOwn(text)).toEqual(ids)
    }
    expect(cases).toHaveLength(47)
  })

  test("gives gpt-3-encoder's ids, as our own byte-level BPE does", () => {
    // JavaScript's \s differs from Unicode's white space in these two.
    const plain = texts.filter((text) => !/[\u0085\ufeff]/.test(text))
    check(plain, (text) => {
      const ids = encodeGpt2(text)
      expect(encodeOwn(text)).toEqual(ids)
      expect(tokenizer.encode(text)).toEqual(ids)
    })
  })

  test('decodes as the library does', () => {
    const library = new Tokenizer(json, {})
    check(fc.array(fc.nat({ max: 50255 }), { minLength: 1 }), (ids) => {
      expect(tokenizer.decode(ids)).toBe(library.decode(ids, { skip_special_tokens: true, clean_up_tokenization_spaces: false }))
    })
  })

  test('takes start and end from the configuration', () => {
    expect([tokenizer.startToken, tokenizer.endTokens, tokenizer.vocabularySize]).toEqual([50256, [50256], 50257])
    const without = tokenizerFromHuggingFace(json, { ...gpt2Config, add_bos_token: false }, { endTokens: [1, 2] })
    expect([without.startToken, without.endTokens]).toEqual([undefined, [1, 2]])
    expect(tokenizerFromHuggingFace(json, { eos_token: { content: '!' } }).endTokens).toEqual([0])
  })

  test('reads the names of special tokens only when told to', () => {
    const trusting = tokenizerFromHuggingFace(json, gpt2Config, { specialTokensInText: 'tokens' })
    expect(trusting.encode('a<|endoftext|>')).toEqual([64, 50256])
    expect(tokenizer.encode('a<|endoftext|>')).not.toContain(50256)
    expect(tokenizer.decode(tokenizer.encode('a<|endoftext|>'))).toBe('a<|endoftext|>')
    expect(loadTokenizer(trusting.toJSON()).encode('<|endoftext|>')).toEqual([50256])
  })

  test('masters a long word', () => {
    const text = 'abcdefghij'.repeat(5_000)
    expect(tokenizer.decode(tokenizer.encode(text))).toBe(text)
  })
})

describe("Llama 2's tokenizer.json", () => {
  const tokenizer = tokenizerFromHuggingFace(llamaJson())

  test('gives the ids that our own reading of the vocabulary gives', () => {
    const own = sentencePieceTokenizer({ pieces: llamaPieces(), spaceMarker: '▁', unknownToken: 0, startToken: 1, endTokens: [2] })
    check(
      texts.filter((text) => !/▁|<0x/.test(text)),
      (text) => expect(tokenizer.encode(text)).toEqual(own.encode(text)),
    )
  })

  test('takes the start from the template, and drops the leading space', () => {
    expect(tokenizer.startToken).toBe(1)
    expect(tokenizer.endTokens).toEqual([])
    expect(tokenizer.decode([1, ...tokenizer.encode(' Hello')])).toBe(' Hello')
  })
})

describe('small files', () => {
  test('WordPiece', () => {
    const tokenizer = tokenizerFromHuggingFace(smallWordPiece())
    expect(tokenizer.encode('Hello worlds, unhappyly!')).toEqual([4, 5, 6, 9, 10, 11, 12, 8])
    expect(tokenizer.decode([2, 4, 5, 6, 9, 10, 11, 12, 8, 3])).toBe('hello worlds, unhappyly!')
    // A piece may be called constructor, a text may spell control tokens, and what is unknown shows.
    expect(tokenizer.encode('constructor [CLS] zebra')).toEqual([7, 1, 1, 1, 1])
    expect(tokenizer.decode([7, 1])).toBe('constructor\ufffd')
    expect([tokenizer.startToken, tokenizer.endTokens]).toEqual([2, [3]])
  })

  test('Unigram', () => {
    const tokenizer = tokenizerFromHuggingFace(smallUnigram())
    expect(tokenizer.encode('hello  worlds')).toEqual([4, 5, 6])
    expect(tokenizer.decode([4, 5, 6, 1])).toBe('hello worlds')
    expect(tokenizer.encode('</s>')).not.toContain(1)
    expect(tokenizer.encode('hellox')).toEqual([4, 2])
    expect([tokenizer.startToken, tokenizer.endTokens]).toEqual([undefined, [1]])
    const long = 'hello world '.repeat(65_000).trim()
    expect(tokenizer.encode(long).length).toBe(130_000)
  })

  test('added tokens that are not special are found in a text and shown', () => {
    const tokenizer = tokenizerFromHuggingFace(smallByteLevel())
    const [think] = tokenizer.encode('<think>')
    expect(think).toBe(tokenizer.vocabularySize - 1)
    expect(tokenizer.decode([think!])).toBe('<think>')
    expect(tokenizer.encode('hello world1234')).toHaveLength(6)
  })

  test('characters that the vocabulary lacks are refused, not dropped', () => {
    const file = smallByteLevel()
    const pre_tokenizer = { type: 'WhitespaceSplit' }
    expect(() => tokenizerFromHuggingFace({ ...file, pre_tokenizer }).encode('漢')).toThrow(DataError)
  })
})

describe('steps that the library reads otherwise', () => {
  const split = (pre_tokenizer: unknown, text: string) => {
    const characters = [...new Set(text)]
    const vocab = Object.fromEntries(characters.map((character, id) => [character, id]))
    const tokenizer = tokenizerFromHuggingFace({
      pre_tokenizer,
      model: { type: 'WordPiece', vocab: { ...vocab, '[UNK]': characters.length } },
    })
    // Words longer than one character are unknown, so the ids show the cuts.
    return tokenizer.encode(text).map((id) => characters[id] ?? '?')
  }

  test('digits of every script', () => {
    expect(split({ type: 'Digits', individual_digits: true }, '12a٣٤b')).toEqual(['1', '2', 'a', '٣', '٤', 'b'])
    expect(split({ type: 'Digits', individual_digits: false }, '1a٣٤b')).toEqual(['1', 'a', '?', 'b'])
  })

  test('single signs of punctuation', () => {
    expect(split({ type: 'Punctuation' }, 'a!!b')).toEqual(['a', '!', '!', 'b'])
    expect(split({ type: 'Punctuation', behavior: 'Contiguous' }, 'a!!b')).toEqual(['a', '?', 'b'])
  })

  test('words of Metaspace, and its older field', () => {
    const vocabulary = (pre_tokenizer: unknown) =>
      tokenizerFromHuggingFace({
        pre_tokenizer,
        model: { type: 'WordPiece', vocab: { a: 0, '▁a': 1, '▁': 2, '[UNK]': 3, '▁a▁a': 4 } },
      })
    expect(vocabulary({ type: 'Metaspace' }).encode('a  a ')).toEqual([1, 2, 1, 2])
    expect(vocabulary({ type: 'Metaspace', split: false }).encode('a a')).toEqual([4])
    expect(vocabulary({ type: 'Metaspace', add_prefix_space: false }).encode('a a')).toEqual([0, 1])
    expect(vocabulary({ type: 'Metaspace', prepend_scheme: 'never' }).encode('a')).toEqual([0])
  })

  test('replacements are literal', () => {
    const normalizer = { type: 'Replace', pattern: { String: 'a' }, content: "$'$&" }
    const vocab = { $: 0, "'": 1, '&': 2, b: 3, '[UNK]': 4 }
    const tokenizer = tokenizerFromHuggingFace({ normalizer, model: { type: 'BPE', vocab, merges: [] } })
    expect(tokenizer.encode('ab')).toEqual([0, 1, 0, 2, 3])
  })

  test("cuts at spaces that a normalizer replaced, as in Gemma's file", () => {
    const normalizer = { type: 'Replace', pattern: { String: ' ' }, content: '▁' }
    const pre_tokenizer = { type: 'Split', pattern: { String: ' ' }, behavior: 'MergedWithPrevious', invert: false }
    const model = { type: 'BPE', vocab: { a: 0, '▁': 1, '▁a': 2 }, merges: [['▁', 'a']] }
    expect(tokenizerFromHuggingFace({ normalizer, pre_tokenizer, model }).encode('a a')).toEqual([0, 2])
    expect(() => tokenizerFromHuggingFace({ pre_tokenizer, model })).toThrow('MergedWithPrevious')
  })
})

describe('regular expressions', () => {
  const withPattern = (Regex: string) => ({
    ...smallByteLevel(),
    pre_tokenizer: {
      type: 'Sequence',
      pretokenizers: [
        { type: 'Split', pattern: { Regex }, behavior: 'Isolated', invert: false },
        { type: 'ByteLevel', use_regex: false },
      ],
    },
  })

  test('unknown ones need consent, which a file cannot give', () => {
    const file = withPattern('(a+)+$')
    expect(() => tokenizerFromHuggingFace(file)).toThrow(FormatError)
    expect(() => tokenizerFromHuggingFace(file)).toThrow('acceptUnknownPatterns')
    const consenting = tokenizerFromHuggingFace(file, undefined, { acceptUnknownPatterns: true })
    expect(consenting.decode(consenting.encode('hello'))).toBe('hello')
    expect(() => loadTokenizer(consenting.toJSON())).toThrow(FormatError)
    expect(() => loadTokenizer({ ...consenting.toJSON(), acceptUnknownPatterns: true })).toThrow(FormatError)
    expect(loadTokenizer(consenting.toJSON(), { acceptUnknownPatterns: true }).encode('hello')).toEqual(consenting.encode('hello'))
    const normalizer = { type: 'Replace', pattern: { Regex: '(a+)+$' }, content: '' }
    expect(() => tokenizerFromHuggingFace({ ...smallByteLevel(), normalizer })).toThrow('acceptUnknownPatterns')
  })

  // At 100,000 characters a quadratic expression takes minutes.
  const units = [
    ' ',
    '\n',
    ' \n',
    'a',
    'A',
    '\uff41',
    '漢',
    '1',
    '\u0663',
    '!',
    "'",
    "'s",
    '\u0301',
    'Aa',
    ' !',
    '\r\n',
    '-',
    '\u00a0',
  ]
  const hostile = units.map((unit) => unit.repeat(100_000 / unit.length))

  test.each([...knownPatterns])('%s takes every text without haste', (_, run) => {
    const pre_tokenizer = { type: 'Split', pattern: { Regex: run }, behavior: 'Isolated', invert: false }
    const model = { type: 'BPE', vocab: {}, merges: [] }
    const others = { normalizer: null, post_processor: null, decoder: null, added_tokens: [] }
    const splitter = new Tokenizer({ model, pre_tokenizer, ...others }, {}).pre_tokenizer!
    for (const text of hostile) {
      expect(splitter.pre_tokenize(`${text}x`).join('').length).toBe(text.length + 1)
    }
  })

  test('the rewritten expression cuts as the original', () => {
    const spaces = fc.string({ unit: fc.constantFrom(' ', '\n', 'x', '\t') })
    const [original, rewritten] = ['\\s+', '(?<!\\s)\\s+'].map((run) => new RegExp(`${run}(?=\\n|(?![^]))`, 'gu'))
    check(spaces, (text) => expect(text.split(rewritten!)).toEqual(text.split(original!)))
    expect(knownPatterns.get('\\s+$')).toBe('(?<!\\s)\\s+$'.replaceAll('\\s', '\\p{White_Space}'))
  })
})

describe('refusals', () => {
  const model = { type: 'BPE', vocab: { a: 0, b: 1, ab: 2 }, merges: ['a b'] }
  const nested = (depth: number): unknown => (depth === 0 ? null : { type: 'Sequence', normalizers: [nested(depth - 1)] })
  const replace = (text: string, content: string) => ({ type: 'Replace', pattern: { String: text }, content })

  test.each<[string, object]>([
    ['no model', {}],
    ['model', { model: null }],
    ['WordLevel', { model: { type: 'WordLevel', vocab: { a: 0 } } }],
    ['vocabulary', { model: { ...model, vocab: null } }],
    ['id', { model: { ...model, vocab: { a: -1 } } }],
    ['id', { model: { ...model, vocab: { a: 2 ** 40 } } }],
    ['id', { model: { ...model, vocab: { a: 0.5 } } }],
    ['id', { model: { ...model, vocab: { a: 'b' } } }],
    ['both have', { model: { ...model, vocab: { a: 0, b: 0 } } }],
    ['empty', { model: { ...model, vocab: {} } }],
    ['merge 0', { model: { ...model, merges: ['b a'] } }],
    ['merge 0', { model: { ...model, merges: ['a b c'] } }],
    ['merge 0', { model: { ...model, merges: [['a']] } }],
    ['merge 0', { model: { ...model, merges: [5] } }],
    ['dropout', { model: { ...model, dropout: 0.1 } }],
    ['end_of_word_suffix', { model: { ...model, end_of_word_suffix: '</w>' } }],
    ['unk_token', { model: { ...model, unk_token: '<unk>' } }],
    ['max_input_chars', { model: { type: 'WordPiece', vocab: { '[UNK]': 0 }, max_input_chars_per_word: 1e9 } }],
    ['score', { model: { type: 'Unigram', vocab: [['a', null]] } }],
    ['unk_id', { model: { type: 'Unigram', vocab: [['a', 0]], unk_id: 7 } }],
    [
      'twice',
      {
        model: {
          type: 'Unigram',
          vocab: [
            ['a', 0],
            ['a', 1],
          ],
        },
      },
    ],
    ['characters', { model: { type: 'Unigram', vocab: [['a'.repeat(600), 0]] } }],
    ['byte_fallback', { model: { type: 'Unigram', vocab: [['a', 0]], byte_fallback: true } }],
    ['added_tokens', { model, added_tokens: [{ id: 2 ** 30, content: 'x' }] }],
    ['added_tokens', { model, added_tokens: {} }],
    ['contradicts', { model, added_tokens: [{ id: 0, content: 'x' }] }],
    ['contradicts', { model, added_tokens: [{ id: 5, content: 'a' }] }],
    [
      'contradicts',
      {
        model,
        added_tokens: [
          { id: 5, content: 'x' },
          { id: 5, content: 'y' },
        ],
      },
    ],
    [
      'contradicts',
      {
        model,
        added_tokens: [
          { id: 5, content: 'x' },
          { id: 5, content: 'x' },
        ],
      },
    ],
    ['single_word', { model, added_tokens: [{ id: 5, content: 'x', single_word: true }] }],
    ['normalizer', { model, normalizer: { type: 'Nmt' } }],
    ['normalizer', { model, normalizer: { type: 'constructor' } }],
    ['deeper', { model, normalizer: nested(20) }],
    ['steps', { model, normalizer: { type: 'Sequence', normalizers: new Array(100).fill({ type: 'NFC' }) } }],
    ['64 times', { model, normalizer: { type: 'Sequence', normalizers: new Array(32).fill(replace('a', 'aa')) } }],
    ['pattern', { model, normalizer: replace('', 'a') }],
    ['content', { model, normalizer: replace('a', 'a'.repeat(1000)) }],
    ['FixedLength', { model, pre_tokenizer: { type: 'FixedLength', length: 0 } }],
    ['Contiguous', { model, pre_tokenizer: { type: 'Split', pattern: { String: 'a' }, behavior: 'Contiguous' } }],
    ['inverted', { model, pre_tokenizer: { type: 'Split', pattern: { String: 'a' }, behavior: 'Isolated', invert: true } }],
    ['Punctuation', { model, pre_tokenizer: { type: 'Punctuation', behavior: 'Removed' } }],
    ['str_rep', { model, pre_tokenizer: { type: 'Metaspace', str_rep: 'aaaa' } }],
    ['BPEDecoder', { model, decoder: { type: 'BPEDecoder', suffix: '</w>' } }],
    ['CTC', { model, decoder: { type: 'CTC' } }],
    ['without Fuse', { model, decoder: { type: 'Strip', content: ' ', start: 1, stop: 0 } }],
    ['after Fuse', { model, decoder: { type: 'Sequence', decoders: [{ type: 'Fuse' }, { type: 'ByteLevel' }] } }],
  ])('%s', (problem, file) => {
    expect(() => tokenizerFromHuggingFace(file)).toThrow(FormatError)
    if (problem !== 'no model')
      expect(() => tokenizerFromHuggingFace(file)).toThrow(problem === '64 times' ? 'times as long' : problem)
  })

  test('of configurations and options', () => {
    expect(() => tokenizerFromHuggingFace({ model }, { bos_token: '<s>' })).toThrow(FormatError)
    expect(() => tokenizerFromHuggingFace({ model }, { eos_token: 5 })).toThrow(FormatError)
    expect(() => tokenizerFromHuggingFace({ model }, [])).not.toThrow()
    expect(() => tokenizerFromHuggingFace({ model }, null, { endTokens: [3] })).toThrow(OptionError)
    expect(() => tokenizerFromHuggingFace({ model }, null, { specialTokensInText: 'yes' as 'text' })).toThrow(OptionError)
    expect(() => tokenizerFromHuggingFace({ model }, null, { legacy: true } as object)).toThrow(OptionError)
  })
})
