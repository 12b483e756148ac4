import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { OptionError } from '../../../src/base/errors.ts'
import { createStops } from '../../../src/decode/stops.ts'

/** What a cutter emits piece by piece, and at the end. */
function emitted(stops: readonly string[], pieces: readonly string[]) {
  const cutter = createStops(stops)
  const outputs = pieces.map((piece) => cutter.push(piece))
  return { outputs, end: cutter.end(), matched: cutter.matched }
}

/** Slow and obvious: the first place in the whole text where a stop begins. */
function firstStop(stops: readonly string[], text: string): number {
  return Math.min(...stops.map((stop) => text.indexOf(stop)).map((at) => (at < 0 ? text.length : at)))
}

/** Every way to cut a text into pieces that are not empty. */
function splittings(text: string): string[][] {
  if (text === '') return [[]]
  return Array.from({ length: text.length }, (_, i) => i + 1).flatMap((end) =>
    splittings(text.slice(end)).map((rest) => [text.slice(0, end), ...rest]),
  )
}

const letters = fc.constantFrom('a', 'b', 'c')
const texts = fc.string({ unit: letters, maxLength: 24 })
const stopLists = fc.array(fc.string({ unit: letters, minLength: 1, maxLength: 5 }), { maxLength: 4 })

describe('stops', () => {
  it('cut every splitting of a text at the same place', () => {
    const cases = [
      { stops: ['bc'], text: 'aabcaa' },
      { stops: ['aab'], text: 'aaaabaa' },
      { stops: ['abcd', 'bc'], text: 'xabcdx' },
      { stops: ['abcd', 'bc'], text: 'xabcxx' },
      { stops: ['abcd', 'bc'], text: 'xxxabc' },
      { stops: ['aba', 'abab'], text: 'xababx' },
      { stops: ['nope'], text: 'nononop' },
      { stops: ['😀', 'b😁'], text: 'a😁b😁' },
    ]
    for (const { stops, text } of cases) {
      for (const pieces of splittings(text)) {
        const { outputs, end } = emitted(stops, pieces)
        expect(outputs.join('') + end, pieces.join('|')).toBe(text.slice(0, firstStop(stops, text)))
      }
    }
  })

  it('equal a search through the whole text, whatever the pieces', () => {
    fc.assert(
      fc.property(stopLists, fc.array(texts, { maxLength: 6 }), (stops, pieces) => {
        const text = pieces.join('')
        const at = firstStop(stops, text)
        const { outputs, end, matched } = emitted(stops, pieces)
        expect(outputs.join('') + end).toBe(text.slice(0, at))
        const here = stops.filter((stop) => text.startsWith(stop, at)).sort((a, b) => a.length - b.length)
        expect(matched).toBe(here[0])
      }),
      { seed: 1, numRuns: 2000 },
    )
  })

  it('hold back no more than could become a stop', () => {
    fc.assert(
      fc.property(stopLists, texts, (stops, text) => {
        const cutter = createStops(stops)
        let output = ''
        for (const [i, character] of [...text].entries()) {
          output += cutter.push(character)
          const seen = text.slice(0, i + 1)
          if (firstStop(stops, seen) < seen.length) return
          const open = seen.length - output.length
          const partial = stops.flatMap((stop) => [...stop].map((_, n) => n).filter((n) => seen.endsWith(stop.slice(0, n))))
          expect(open).toBe(Math.max(0, ...partial))
        }
      }),
      { seed: 2, numRuns: 1000 },
    )
  })

  it('emit at once what is safe', () => {
    expect(emitted(['END'], ['abc', 'E', 'N', 'x', 'yE', 'NDz', 'more'])).toEqual({
      outputs: ['abc', '', '', 'ENx', 'y', '', ''],
      end: '',
      matched: 'END',
    })
    expect(emitted([], ['a', 'b'])).toEqual({ outputs: ['a', 'b'], end: '', matched: undefined })
    expect(emitted(['abc'], ['xab'])).toEqual({ outputs: ['x'], end: 'ab', matched: undefined })
  })

  it('know the stop as soon as no earlier one can come', () => {
    const cutter = createStops(['abcd', 'bc'])
    cutter.push('xabc')
    expect(cutter.matched).toBeUndefined()
    cutter.push('e')
    expect(cutter.matched).toBe('bc')
    const single = createStops(['bc'])
    single.push('xabc')
    expect(single.matched).toBe('bc')
  })

  it('refuse stops that can never or always be found', () => {
    for (const stop of ['', '\ud83d', 'a\ude00', 1, null]) expect(() => createStops([stop as string])).toThrow(OptionError)
    expect(() => createStops('abc' as unknown as string[])).toThrow(OptionError)
  })
})
