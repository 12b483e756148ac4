import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { wholeRegex } from '../../../src/grammars/regex.ts'
import { isWithin } from '../../../src/grammars/schema/inclusion.ts'
import { lengthsOf, shortenedTo } from '../../../src/grammars/schema/lengths.ts'

function words(length: number): string[] {
  return length === 0 ? [''] : ['', ...words(length - 1).flatMap((word) => ['a', 'b', 'c'].map((letter) => letter + word))]
}
/** All texts of `a`, `b` and `c` of at most 7 characters. */
const texts = [...new Set(words(7))]

const atom = fc.constantFrom('a', 'b', '[ab]', '[bc]', '[a-c]', '(?:ab|c)', '(?:a|bc?)', '(?:)')
const term = fc.tuple(atom, fc.constantFrom('', '', '?', '*', '+', '{2}', '{1,2}', '{0,3}')).map((parts) => parts.join(''))
const option = fc.array(term, { maxLength: 3 }).map((terms) => terms.join(''))
const pattern = fc.array(option, { minLength: 1, maxLength: 3 }).map((options) => options.join('|'))
const textsOf = (each: string) => texts.filter((text) => new RegExp(`^(?:${each})$`, 'u').test(text))

describe('an expression is within another', () => {
  it('exactly when JavaScript matches its texts with the other', () => {
    let within = 0
    const property = fc.property(pattern, pattern, (inner, outer) => {
      const found = isWithin(wholeRegex(inner), wholeRegex(outer), { steps: 100_000 })
      const matches = new RegExp(`^(?:${outer})$`, 'u')
      expect([inner, outer, found]).toEqual([inner, outer, textsOf(inner).every((text) => matches.test(text))])
      if (found) within++
    })
    fc.assert(property, { numRuns: 300, seed: 3 })
    expect(within).toBeGreaterThan(20)
  })

  it.each([
    ['[a-f]{3}', '[a-z0-9]*', true],
    ['[^a]', '[^ab]', false],
    ['é|🦙', '[^a-z]', true],
    ['(ab)*', '(a|b){0,9}', false],
    ['(){999999999}a', 'a', true],
  ])('%s in %s: %s', (inner, outer, expected) => {
    expect(isWithin(wholeRegex(inner), wholeRegex(outer), { steps: 100_000 })).toBe(expected)
  })

  it('is not said when the budget is spent, nor of expressions with too many states', () => {
    const hard = wholeRegex('(a|b)*a(a|b){20}')
    expect(isWithin(hard, hard, { steps: 100_000 })).toBe(false)
    const long = wholeRegex('((a{1000}){1000}){1000}')
    expect(isWithin(long, long, { steps: 100_000 })).toBe(false)
  })
})

it('lengths are those of the shortest and the longest text', () => {
  const bounded = fc
    .array(fc.constantFrom('a', '[ab]?', '(?:ab|c){1,2}', '(?:a|bc?)', '', '(?:b{0}|ab)'), { maxLength: 3 })
    .map((terms) => terms.join(''))
  const alternatives = fc.array(bounded, { minLength: 1, maxLength: 3 }).map((options) => options.join('|'))
  const property = fc.property(alternatives, (each) => {
    const lengths = textsOf(each).map((text) => text.length)
    const { least, most } = lengthsOf(wholeRegex(each))
    expect([each, least]).toEqual([each, Math.min(...lengths)])
    if (most <= 7) expect([each, most]).toEqual([each, Math.max(...lengths)])
  })
  fc.assert(property, { numRuns: 200, seed: 1 })
  expect(lengthsOf(wholeRegex('🦙+x{2,}|é'))).toEqual({ least: 1, most: Number.POSITIVE_INFINITY })
  expect(lengthsOf(wholeRegex('(){5,}'))).toEqual({ least: 0, most: 0 })
})

it('what is shortened is within the expression, and not too long', () => {
  let shortened = 0
  const property = fc.property(pattern, fc.nat(6), (each, most) => {
    const shorter = shortenedTo(wholeRegex(each), most)
    if (shorter === undefined) return
    shortened++
    expect(lengthsOf(shorter).most).toBeLessThanOrEqual(most)
    expect(isWithin(shorter, wholeRegex(each), { steps: 100_000 })).toBe(true)
  })
  fc.assert(property, { numRuns: 300, seed: 2 })
  expect(shortened).toBeGreaterThan(100)
  expect(lengthsOf(shortenedTo(wholeRegex('a+-b*'), 9)!)).toEqual({ least: 2, most: 8 })
})
