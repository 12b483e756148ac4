import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { DataError, OptionError } from '../../../src/base/errors.ts'
import { bpeTokenizer, trainBpe } from '../../../src/tokenizers/index.ts'
import { wordSplitter } from '../../../src/tokenizers/split-words.ts'
import { storiesGreedy } from './published.ts'
import { anyText } from './texts.ts'

/** The definition of training: count all pairs, merge the best, count again. */
function trainSlowly(texts: readonly string[], merges: number): [number, number][] {
  const split = wordSplitter('gpt2')
  let words = texts.flatMap((text) => split(text).map((word) => Array.from(new TextEncoder().encode(word))))
  const learned: [number, number][] = []
  while (learned.length < merges) {
    const counts = new Map<string, number>()
    for (const word of words) {
      for (const [index, id] of word.slice(1).entries())
        counts.set(`${word[index]} ${id}`, (counts.get(`${word[index]} ${id}`) ?? 0) + 1)
    }
    const ranked = [...counts].map(([pair, count]) => ({ pair: pair.split(' ').map(Number) as [number, number], count }))
    const [best] = ranked.sort(
      (one, other) => other.count - one.count || one.pair[0] - other.pair[0] || one.pair[1] - other.pair[1],
    )
    if (best === undefined || best.count < 2) break
    words = words.map((word) => replacePair(word, best.pair, 256 + learned.length))
    learned.push(best.pair)
  }
  return learned
}

function replacePair(word: readonly number[], [left, right]: readonly [number, number], merged: number): number[] {
  const result: number[] = []
  for (let index = 0; index < word.length; index++) {
    const found = word[index] === left && word[index + 1] === right
    result.push(found ? merged : word[index]!)
    if (found) index++
  }
  return result
}

const repetitive = fc.array(fc.constantFrom('aaaa', 'abab', 'ba', ' ab', ' a', '漢', 'aaabaa', ' the', ' cat', '.', '  '), {
  maxLength: 40,
})

describe('trainBpe', () => {
  test('learns what counting again and again learns', () => {
    fc.assert(
      fc.property(
        fc.array(
          repetitive.map((parts) => parts.join('')),
          { maxLength: 4 },
        ),
        (texts) => {
          expect(trainBpe(texts, { vocabularySize: 290 }).toJSON().merges).toEqual(trainSlowly(texts, 34))
        },
      ),
      { seed: 1, numRuns: 200 },
    )
  })

  test('learns the same on a real text, in any order of its lines', () => {
    const lines = storiesGreedy().text.split(/(?<=\n)/)
    const { merges } = trainBpe(lines, { vocabularySize: 400 }).toJSON()
    expect(merges).toEqual(trainSlowly(lines, 144))
    expect(trainBpe([...lines].reverse(), { vocabularySize: 400 }).toJSON().merges).toEqual(merges)
  })

  test('counts special tokens in, and stops when no pair occurs twice', () => {
    const options = { vocabularySize: 300, specialTokens: ['<end>'], endTokens: ['<end>'] }
    expect(trainBpe([storiesGreedy().text], options).vocabularySize).toBe(300)
    const small = trainBpe(['abc abc'], options)
    expect([small.vocabularySize, small.toJSON().merges, small.endTokens]).toEqual([
      259,
      [
        [97, 98],
        [256, 99],
      ],
      [258],
    ])
    expect(trainBpe([], { vocabularySize: 300 }).vocabularySize).toBe(256)
  })

  test('refuses one string, which would be a list of characters', () => {
    expect(() => trainBpe('hello hello', { vocabularySize: 300 })).toThrow(DataError)
    expect(() => trainBpe([5] as unknown as string[], { vocabularySize: 300 })).toThrow(DataError)
  })

  test('masters a word of a megabyte, in training and after', () => {
    const word = 'ab'.repeat(300_000) + 'cba'.repeat(130_000)
    const tokenizer = trainBpe([word], { vocabularySize: 300 })
    const ids = tokenizer.encode(word)
    expect(ids.length).toBeLessThan(10_000)
    expect(tokenizer.decode(ids)).toBe(word)
  })

  test.each([
    [{ vocabularySize: 255 }, 'vocabularySize'],
    [{ vocabularySize: 256, specialTokens: ['<end>'] }, 'at least 257'],
    [{ vocabularySize: 300.5 }, 'vocabularySize'],
    [{ vocabularySize: 2 ** 30 }, 'vocabularySize'],
    [{ vocabularySize: 300, pattern: '(a+)+$' }, 'pattern'],
    [{ vocabularySize: 300, minimumFrequency: 2 }, 'minimumFrequency'],
    [{ vocabularySize: 300, startToken: '<start>' }, '<start>'],
  ])('refuses %o', (options, problem) => {
    const train = () => trainBpe(['text'], options as { vocabularySize: number })
    expect(train).toThrow(OptionError)
    expect(train).toThrow(problem)
  })
})

describe('bpeTokenizer', () => {
  test('merges in the order of the list, not greedily by length', () => {
    const tokenizer = bpeTokenizer({
      merges: [
        [98, 99],
        [97, 98],
        [256, 100],
      ],
      pattern: 'none',
    })
    expect(tokenizer.encode('abcd')).toEqual([97, 258])
    expect(tokenizer.encode('abxbc')).toEqual([257, 120, 256])
  })

  test('cuts words unless told not to', () => {
    const merges: [number, number][] = [[97, 32]]
    expect(bpeTokenizer({ merges }).encode('a b')).toEqual([97, 32, 98])
    expect(bpeTokenizer({ merges, pattern: 'none' }).encode('a b')).toEqual([256, 98])
  })

  test.each([
    [[[97, 256]], 'merge 0'],
    [
      [
        [97, 98],
        [97, 98],
      ],
      'repeats',
    ],
    [[[97]], 'merge 0'],
    [[[97, -1]], 'merge 0'],
    [[[97, 0.5]], 'merge 0'],
    [[null], 'merge 0'],
    ['ab', 'merges'],
    [Array.from({ length: 40 }, (_, index) => (index === 0 ? [97, 97] : [255 + index, 255 + index])), 'too long'],
  ])('refuses the merges %o', (merges, problem) => {
    const open = () => bpeTokenizer({ merges: merges as [number, number][] })
    expect(open).toThrow(OptionError)
    expect(open).toThrow(problem)
  })
})

describe('wordSplitter', () => {
  const split = wordSplitter('gpt2')
  const spaces = wordSplitter('spaces')

  test.each([
    ["I've  been", ['I', "'ve", ' ', ' been']],
    ['a 12b\n\n c', ['a', ' 12', 'b', '\n\n', ' c']],
    [' !?x  ', [' !?', 'x', '  ']],
    // U+0085 is white space, U+FEFF is not: as in Python, unlike JavaScript's \s.
    ['a\u0085b\ufeffc', ['a', '\u0085', 'b', '\ufeff', 'c']],
  ])('cuts %o', (text, words) => {
    expect(split(text)).toEqual(words)
  })

  test('loses nothing', () => {
    fc.assert(
      fc.property(anyText, (text) => {
        expect(split(text).join('')).toBe(text)
        expect(spaces(text).join('')).toBe(text)
      }),
      { seed: 4 },
    )
  })

  test('cuts or refuses a run that may overflow the stack of the regular expression', () => {
    const text = '漢'.repeat(12_000_000)
    try {
      expect(split(text)).toEqual([text])
    } catch (error) {
      expect(error).toBeInstanceOf(DataError)
    }
  })

  test.each([' ', 'a', '漢', '1', '!', "'", '\n', ' \n', "a'", "' ", '\u0301'])('cuts a megabyte of %o', (unit) => {
    const text = unit.repeat(1_000_000 / unit.length)
    expect(split(`${text}x`).join('').length).toBe(text.length + 1)
  })
})
