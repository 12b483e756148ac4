import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { DataError, FormatError, NextxError } from '../../src/base/errors.ts'
import {
  loadTokenizer,
  readTok512,
  sentencePieceTokenizer,
  tokenizerFromHuggingFace,
  trainBpe,
} from '../../src/tokenizers/index.ts'
import { stories260K, writeTok512 } from '../null/tokenizers/published.ts'
import { smallByteLevel, smallUnigram, smallWordPiece } from '../null/tokenizers/small-files.ts'

const settings = { seed: 99, numRuns: 400 }
const text = 'Hello  world!\n漢 12345 </s>'

describe('tok512.bin', () => {
  const file = writeTok512(stories260K().pieces.slice(0, 300))
  const damage = fc.record({
    bytes: fc.array(fc.tuple(fc.nat({ max: file.length - 1 }), fc.nat({ max: 255 })), { maxLength: 6 }),
    integers: fc.array(fc.tuple(fc.nat({ max: file.length - 4 }), fc.constantFrom(0, -1, 1, 0x7fffffff, -0x80000000, 0x7fc00000)), {
      maxLength: 2,
    }),
    length: fc.oneof(fc.constant(file.length), fc.nat({ max: file.length })),
  })

  test('damaged files give FormatError or a vocabulary that works', () => {
    fc.assert(
      fc.property(damage, ({ bytes, integers, length }) => {
        const damaged = file.slice(0, length)
        for (const [offset, value] of bytes) damaged[offset % Math.max(1, length)] = value
        const view = new DataView(damaged.buffer)
        for (const [offset, value] of integers) if (offset + 4 <= length) view.setInt32(offset, value, true)
        expectTyped(() => {
          const tokenizer = sentencePieceTokenizer({ pieces: readTok512(damaged) })
          tokenizer.decode(tokenizer.encode(text))
        })
      }),
      settings,
    )
  })
})

const hostileValues: readonly unknown[] = [
  ...[null, true, 0, -1, 0.5, 1e9, 2 ** 53, '', 'a', '\ud800', '__proto__', 'x'.repeat(5000), [], {}, [null], [[]]],
  ...[
    { type: 'Sequence' },
    { type: 'Sequence', normalizers: [null], pretokenizers: [null], decoders: [null] },
    { Regex: '(a|a)*$' },
  ],
  ...[
    { type: 'Split', pattern: { Regex: '[' }, behavior: 'Isolated' },
    { type: 'Metaspace' },
    { type: 'BPE', vocab: {}, merges: [] },
  ],
]

type Json = Record<string, unknown> | unknown[]

/** Replaces, removes or copies one value anywhere in `file`. */
function mutate(file: Json, choices: readonly number[], value: unknown): void {
  const [depth = 0, action = 0, ...path] = choices
  let holder: Json = file
  let key = keyOf(holder, path[0] ?? 0)
  for (let level = 1; level <= depth % 6; level++) {
    const inner: unknown = (holder as Record<string, unknown>)[key]
    if (typeof inner !== 'object' || inner === null || Object.keys(inner).length === 0) break
    holder = inner as Json
    key = keyOf(holder, path[level] ?? 0)
  }
  const record = holder as Record<string, unknown>
  if (action % 4 === 0 && Array.isArray(holder)) holder.splice(Number(key), 1)
  else if (action % 4 === 0) delete record[key]
  else if (action % 4 === 1 && Array.isArray(holder)) holder.push(holder[Number(key)])
  else if (action % 4 === 1)
    Object.defineProperty(record, `${key}x`, { value: record[key], enumerable: true, configurable: true, writable: true })
  else record[key] = structuredClone(value)
}

function keyOf(holder: Json, choice: number): string {
  const keys = Object.keys(holder)
  return keys[choice % keys.length] ?? '0'
}

const mutations = fc.array(
  fc.tuple(fc.array(fc.nat({ max: 1000 }), { minLength: 8, maxLength: 8 }), fc.constantFrom(...hostileValues)),
  {
    minLength: 1,
    maxLength: 3,
  },
)

describe.each([
  ['byte-level', smallByteLevel],
  ['WordPiece', smallWordPiece],
  ['Unigram', smallUnigram],
])('tokenizer.json, %s', (_, make: () => Json) => {
  test('damaged files give FormatError or a tokenizer that works', () => {
    fc.assert(
      fc.property(mutations, (steps) => {
        const file = structuredClone(make())
        for (const [choices, value] of steps) mutate(file, choices, value)
        expectTyped(() => {
          const tokenizer = tokenizerFromHuggingFace(file, { eos_token: '</s>' })
          tokenizer.decode(tokenizer.encode(text))
        })
      }),
      settings,
    )
  })
})

describe.each([
  ['bpe', () => trainBpe(['hello hello'], { vocabularySize: 262, specialTokens: ['<end>'], endTokens: ['<end>'] }).toJSON()],
  ['sentencepiece', () => sentencePieceTokenizer(stories260K()).toJSON()],
])('files of kind %s', (_, make) => {
  test('damaged files give FormatError or a tokenizer that works', () => {
    fc.assert(
      fc.property(mutations, (steps) => {
        const file = structuredClone(make())
        for (const [choices, value] of steps) mutate(file as Json, choices, value)
        expectTyped(() => {
          const tokenizer = loadTokenizer(file)
          tokenizer.decode(tokenizer.encode(text))
        })
      }),
      settings,
    )
  })
})

/** Reading refuses with FormatError; a vocabulary that lacks characters refuses the text with DataError. */
function expectTyped(read: () => void): void {
  try {
    read()
  } catch (error) {
    expect(error).toBeInstanceOf(NextxError)
    expect(error instanceof FormatError || error instanceof DataError ? '' : error).toBe('')
    if (error instanceof DataError) expect(error.message).not.toContain('library failed')
  }
}
