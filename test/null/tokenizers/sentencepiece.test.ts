import fc from 'fast-check'
import { LlamaTokenizer } from 'llama-tokenizer-js'
import { describe, expect, test } from 'vitest'
import { DataError, FormatError, OptionError } from '../../../src/base/errors.ts'
import { type Piece, readTok512, sentencePieceTokenizer } from '../../../src/tokenizers/index.ts'
import { llamaPieces, readRealTok512, readVectors, stories260K, storiesGreedy, writeTok512 } from './published.ts'
import { anyText } from './texts.ts'

/** The algorithm of llama2.c's encoder: the best neighbours anywhere in the text, again and again. */
function encodeSlowly(text: string, pieces: readonly Piece[]): number[] {
  const ids = new Map(pieces.map(([piece], id) => [piece, id]))
  const byteId = (byte: number) => ids.get(`<0x${byte.toString(16).toUpperCase().padStart(2, '0')}>`)!
  const control = new Set([0, 1, 2])
  const idOf = (piece: string) => (control.has(ids.get(piece) ?? 0) || /^<0x..>$/.test(piece) ? undefined : ids.get(piece))
  let parts = [...(text === '' ? '' : ` ${text}`)]
  for (;;) {
    let best = { score: Number.NEGATIVE_INFINITY, index: -1 }
    for (const index of parts.slice(1).keys()) {
      const id = idOf(parts[index]! + parts[index + 1]!)
      if (id !== undefined && pieces[id]![1] > best.score) best = { score: pieces[id]![1], index }
    }
    if (best.index < 0) break
    parts = parts.toSpliced(best.index, 2, parts[best.index]! + parts[best.index + 1]!)
  }
  return parts.flatMap((part) => idOf(part) ?? Array.from(new TextEncoder().encode(part), byteId))
}

const words = fc.array(
  fc.constantFrom('Once', ' upon', ' a', ' time', '  ', ' ', '\n', 'é', '漢', 'ing', '<0x41>', '\n<s>\n', 'the', "'", 'ッ'),
)
const texts = fc.oneof(
  words.map((parts) => parts.join('')),
  anyText,
)

describe('the vocabulary of stories260K', () => {
  const tokenizer = sentencePieceTokenizer(stories260K())

  test('decodes and encodes the published greedy text', () => {
    const { ids, text } = storiesGreedy()
    // The published text was decoded without its start token, and so keeps the leading space.
    expect(` ${tokenizer.decode(ids)}`).toBe(text)
    expect(tokenizer.encode(text.slice(1))).toEqual(ids)
    expect(tokenizer.decode([1, ...ids])).toBe(text.slice(1))
  })

  test('encodes as llama2.c does', () => {
    fc.assert(
      fc.property(texts, (text) => {
        expect(tokenizer.encode(text)).toEqual(encodeSlowly(text, stories260K().pieces))
      }),
      { seed: 1, numRuns: 300 },
    )
  })

  test('encodes as llama2.c does when pieces reach over spaces', () => {
    const pieces: Piece[] = [...stories260K().pieces, ['n a', 4], ['a ', 3], ['  ', 2]]
    const over = sentencePieceTokenizer({ ...stories260K(), pieces })
    fc.assert(
      fc.property(texts, (text) => {
        expect(over.encode(text)).toEqual(encodeSlowly(text, pieces))
      }),
      { seed: 2, numRuns: 300 },
    )
  })

  test('text begins anew after the start token', () => {
    const ids = tokenizer.encode('a b')
    expect(tokenizer.decode([1, ...ids, 2, 1, ...ids])).toBe('a ba b')
  })

  test('masters a megabyte without a space', () => {
    const text = 'Onceuponatimetherewasé'.repeat(45_000)
    expect(tokenizer.decode(tokenizer.encode(text))).toBe(text)
  })
})

describe("Llama 2's vocabulary", () => {
  const tokenizer = sentencePieceTokenizer({
    pieces: llamaPieces(),
    spaceMarker: '▁',
    unknownToken: 0,
    startToken: 1,
    endTokens: [2],
  })

  for (const name of ['llama-spm', 'phi-3']) {
    const cases = readVectors(name)
    test.runIf(cases)(`gives llama.cpp's ids (${name})`, () => {
      for (const { text, ids } of cases!) expect(tokenizer.encode(text)).toEqual(ids)
      expect(cases).toHaveLength(47)
    })
  }

  test("gives llama-tokenizer-js's ids", () => {
    const llama = new LlamaTokenizer()
    fc.assert(
      fc.property(
        texts.filter((text) => !/[▁\0]/.test(text) && !text.includes('<0x')),
        (text) => {
          expect(tokenizer.encode(text)).toEqual(text === '' ? [] : llama.encode(text, false, true))
        },
      ),
      { seed: 3, numRuns: 200 },
    )
  })
})

describe('sentencePieceTokenizer', () => {
  test.each<[unknown, string]>([
    [[], 'pieces'],
    [
      [
        ['a', 0],
        ['a', 1],
      ],
      'both',
    ],
    [[['<0x-1>', 0]], 'no byte'],
    [[['<0x1>', 0]], 'no byte'],
    [[['<0x100>', 0]], 'no byte'],
    [
      [
        ['<0x0A>', 0],
        ['<0x0a>', 0],
      ],
      'byte 10',
    ],
    [[['a', Number.NaN]], 'NaN'],
    [[['a', Number.POSITIVE_INFINITY]], 'Infinity'],
    [[['a', '0']], 'score'],
    [[['', 0]], 'empty'],
    [[['\udc00', 0]], 'surrogate'],
    [[[5, 0]], 'number'],
    [[['a']], 'entry 0'],
    [[null], 'entry 0'],
  ])('refuses the pieces %o', (pieces, problem) => {
    const open = () => sentencePieceTokenizer({ pieces: pieces as Piece[] })
    expect(open).toThrow(FormatError)
    expect(open).toThrow(problem)
  })

  test.each([{ startToken: 2 }, { startToken: -1 }, { endTokens: [0.5] }, { spaceMarker: '' }, { addPrefix: true }])(
    'refuses the options %o',
    (options) => {
      const pieces: Piece[] = [
        ['a', 0],
        ['b', 0],
      ]
      expect(() => sentencePieceTokenizer({ pieces, ...options })).toThrow(OptionError)
    },
  )

  test('refuses characters that it has no pieces for, or calls them unknown', () => {
    const pieces: Piece[] = [
      ['?', 0],
      ['a', 0],
      [' ', 0],
    ]
    expect(() => sentencePieceTokenizer({ pieces }).encode('é')).toThrow(DataError)
    const tokenizer = sentencePieceTokenizer({ pieces, unknownToken: 0 })
    expect([tokenizer.encode('aé?'), tokenizer.decode([1, 0])]).toEqual([[2, 1, 0, 0], 'a\ufffd'])
  })

  test('leaves the leading space away when told to', () => {
    const { encode, decode } = sentencePieceTokenizer({ ...stories260K(), leadingSpace: false })
    expect(encode(' a')).toEqual(sentencePieceTokenizer(stories260K()).encode('a'))
    expect(decode(encode(' a'))).toBe(' a')
  })
})

describe('readTok512', () => {
  const { pieces } = stories260K()
  const file = writeTok512(pieces)

  test('reads what llama2.c writes', () => {
    expect(readTok512(file)).toEqual(pieces)
  })

  const real = readRealTok512()
  test.runIf(real)('reads the published file', () => {
    expect(real).toEqual(pieces)
  })

  test('refuses every file cut off inside a piece', () => {
    const ends = new Set<number>()
    for (let count = 1; count < 20; count++) ends.add(writeTok512(pieces.slice(0, count)).length)
    for (let length = 0; length < 200; length++) {
      if (!ends.has(length)) expect(() => readTok512(file.subarray(0, length))).toThrow(FormatError)
    }
  })

  test.each([
    [8, 0x7fffffff, 'length'],
    [8, -1, 'length'],
    [8, 0, 'length'],
    [0, 0, 'length'],
    [4, 0x7fc00000, 'NaN'],
    [4, 0x7f800000, 'Infinity'],
    [12, 0xffffffff | 0, 'UTF-8'],
  ])('refuses the file with %i at byte %i', (offset, value, problem) => {
    const damaged = file.slice()
    new DataView(damaged.buffer).setInt32(offset, value, true)
    expect(() => readTok512(damaged)).toThrow(FormatError)
    expect(() => readTok512(damaged)).toThrow(problem)
  })
})
