import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { DataError, DisposedError } from '../../src/base/errors.ts'
import { loadTokenizer, type NamedTokenizer } from '../../src/tokenizers/index.ts'
import { anyText } from '../null/tokenizers/texts.ts'

export interface TokenizerCase {
  readonly name: string
  open(): NamedTokenizer
  /** Texts that encode takes. Default: any Unicode. */
  readonly texts?: fc.Arbitrary<string>
  /** Why encoding loses something, where it does. */
  readonly lossy?: string
  /** Why texts have to be chosen, where they do. */
  readonly limited?: string
}

const wordyText = fc.array(
  fc.oneof(fc.constantFrom('hello', ' world', 'Once', ' upon', '  ', '\n', "'s", '123', 'é', '🦙', '漢'), anyText),
)
/** Random characters, and texts that have merges. */
export const unicode = fc.oneof(
  anyText,
  wordyText.map((parts) => parts.join('')),
)

/** What every text tokenizer promises. */
export function runTokenizerContract(given: TokenizerCase): void {
  const { name, texts = unicode, lossy, limited } = given
  describe(name, () => {
    const tokenizer = given.open()
    const { vocabularySize } = tokenizer
    const tokenIds = fc.array(fc.nat({ max: vocabularySize - 1 }), { maxLength: 40 })
    /** Also ids as texts have them: random ones seldom form characters. */
    const sequences = fc.oneof(
      tokenIds,
      texts.map((text) => tokenizer.encode(text)),
    )

    const roundTrip = `decode undoes encode${limited ? ` (${limited})` : ''}`
    test.skipIf(lossy !== undefined)(lossy === undefined ? roundTrip : `${roundTrip} — skipped: ${lossy}`, () => {
      check(texts, (text) => expect(tokenizer.decode(tokenizer.encode(text))).toBe(text))
    })

    test('encode gives ids of the vocabulary, and no control tokens, whatever the text spells', () => {
      // The unknown token, which texts do yield, decodes to U+FFFD.
      const controls = new Set([...tokenizer.specialTokens.values()].filter((id) => tokenizer.decode([id]) === ''))
      const spelled = fc.oneof(texts, limited ? texts : fc.constantFrom('', ...tokenizer.specialTokens.keys()))
      check(spelled, (text) => {
        for (const id of tokenizer.encode(text)) {
          expect(Number.isInteger(id) && id >= 0 && id < vocabularySize && !controls.has(id)).toBe(true)
        }
      })
    })

    test('the empty text has no tokens, and no tokens the empty text', () => {
      expect(tokenizer.encode('')).toEqual([])
      expect(tokenizer.decode([])).toBe('')
      expect(tokenizer.stream().end()).toBe('')
    })

    test('a stream gives the same text as decode, after every prefix', () => {
      check(sequences, (ids) => {
        let streamed = ''
        const stream = tokenizer.stream()
        for (const [index, id] of ids.entries()) {
          streamed += stream.push(id)
          const whole = tokenizer.decode(ids.slice(0, index + 1))
          // What is held back is an incomplete character, which decode shows as U+FFFD.
          expect(whole.startsWith(streamed) && /^\ufffd?$/.test(whole.slice(streamed.length))).toBe(true)
        }
        expect(streamed + stream.end()).toBe(tokenizer.decode(ids))
      })
    })

    test('tokenBytes are what a token adds behind other text', () => {
      const word = Array.from({ length: vocabularySize }, (_, id) => id).find((id) => /^[a-z]+$/i.test(tokenizer.decode([id])))!
      const replacement = Buffer.from('\ufffd')
      const bytesOf = (id: number) => tokenizer.tokenBytes(id) ?? (tokenizer.decode([id]) === '' ? Buffer.of() : replacement)
      check(sequences, (ids) => {
        if (tokenizer.startToken !== undefined && ids.includes(tokenizer.startToken)) return
        const added = Buffer.concat(ids.map(bytesOf)).toString()
        expect(tokenizer.decode([word, ...ids])).toBe(tokenizer.decode([word]) + added)
      })
      for (const id of tokenizer.specialTokens.values()) expect(tokenizer.tokenBytes(id)).toBeUndefined()
      for (const id of [-1, vocabularySize, 0.5]) expect(() => tokenizer.tokenBytes(id)).toThrow(DataError)
    })

    test.skipIf(lossy !== undefined)('the bytes of the tokens of a text are the UTF-8 of the text', () => {
      check(texts, (text) => {
        const bytes = Buffer.concat(tokenizer.encode(text).map((id) => tokenizer.tokenBytes(id)!))
        expect([text, ` ${text}`]).toContain(bytes.toString())
      })
    })

    test('control tokens give no text, or U+FFFD for the unknown', () => {
      for (const id of tokenizer.specialTokens.values()) expect(['', '\ufffd']).toContain(tokenizer.decode([id]))
      for (const id of [tokenizer.startToken, ...tokenizer.endTokens]) {
        if (id !== undefined) expect([tokenizer.decode([id]), id >= 0 && id < vocabularySize]).toEqual(['', true])
      }
    })

    test.each([-1, vocabularySize, 0.5, Number.NaN, Number.POSITIVE_INFINITY, 2 ** 32, '1', null, undefined])(
      'refuses the id %s',
      (id) => {
        expect(() => tokenizer.decode([0, id as number])).toThrow(DataError)
        const stream = tokenizer.stream()
        const before = stream.push(0)
        expect(() => stream.push(id as number)).toThrow(DataError)
        expect(before + stream.end()).toBe(tokenizer.decode([0]))
      },
    )

    test('an ended stream refuses to go on', () => {
      const stream = tokenizer.stream()
      stream.end()
      expect(() => stream.push(0)).toThrow(DisposedError)
      expect(() => stream.end()).toThrow(DisposedError)
    })

    test('refuses what is no text', () => {
      for (const text of [undefined, null, 5, ['a']]) expect(() => tokenizer.encode(text as unknown as string)).toThrow(DataError)
    })

    test('survives JSON', () => {
      const file = JSON.parse(JSON.stringify(tokenizer.toJSON()))
      const loaded = loadTokenizer(file)
      const facts = ({ kind, vocabularySize, startToken, endTokens, specialTokens }: NamedTokenizer) => ({
        ...{ kind, vocabularySize, startToken, endTokens, specialTokens },
      })
      expect(facts(loaded)).toEqual(facts(tokenizer))
      expect(JSON.parse(JSON.stringify(loaded.toJSON()))).toEqual(file)
      check(texts, (text) => expect(loaded.encode(text)).toEqual(tokenizer.encode(text)))
      check(sequences, (ids) => expect(loaded.decode(ids)).toBe(tokenizer.decode(ids)))
    })

    test('the file refuses fields that it does not know', () => {
      const file = JSON.parse(JSON.stringify(tokenizer.toJSON()))
      expect(() => loadTokenizer({ ...file, surprise: 1 })).toThrow('surprise')
    })
  })
}

function check<T>(values: fc.Arbitrary<T>, promise: (value: T) => void): void {
  fc.assert(
    fc.property(values, (value) => {
      promise(value)
    }),
    { seed: 20, numRuns: 60 },
  )
}
