import { describe, expect, test } from 'vitest'
import {
  decimal,
  fraction,
  notNegative,
  positive,
  positiveProbability,
  probability,
  wholeNumber,
} from '../../../src/cli/numbers.ts'

const never = ['', ' ', '0.8x', 'x', 'NaN', 'Infinity', '-Infinity', '1e999', '0x10', '1_000', '1,5', '1 2', '--1', '.', 'e5', '٣']

describe('numbers on the command line', () => {
  test.each([wholeNumber(0), decimal('a number'), positive, probability])('are read whole or not at all', (parse) => {
    for (const text of never) expect(() => parse(text), text).toThrow(/^Expected /)
  })

  test('decimals', () => {
    const parse = decimal('a number')
    expect(['1', '-1', '+2', '.5', '1.', '-0.25', '1e-3', '2E+2'].map(parse)).toEqual([1, -1, 2, 0.5, 1, -0.25, 0.001, 200])
  })

  test('whole numbers', () => {
    const parse = wholeNumber(1, 1024)
    expect(['1', '+7', '1024', '007'].map(parse)).toEqual([1, 7, 1024, 7])
    for (const text of ['0', '-1', '1025', '1.5', '1e2'])
      expect(() => parse(text)).toThrow('Expected a whole number from 1 to 1024.')
    expect(() => wholeNumber(0)('9007199254740992')).toThrow('Expected a whole number of at least 0.')
  })

  test.each([
    [probability, ['0', '1'], ['-0.1', '1.1']],
    [positiveProbability, ['0.1', '1'], ['0', '1.1']],
    [fraction, ['0.1', '0.9'], ['0', '1']],
    [positive, ['0.1', '1e9'], ['0', '-1']],
    [notNegative, ['0', '5'], ['-0.1']],
  ])('borders', (parse, accepted, refused) => {
    for (const text of accepted) expect(parse(text)).toBe(Number(text))
    for (const text of refused) expect(() => parse(text)).toThrow()
  })
})
