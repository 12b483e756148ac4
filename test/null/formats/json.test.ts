import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { FormatError, OptionError } from '../../../src/base/errors.ts'
import { isJsonObject, parseJson } from '../../../src/formats/index.ts'
import { jsonExceeds } from '../../../src/formats/json.ts'

const what = 'test.json'

function parse(
  text: string,
  options: { refuseDuplicates?: boolean; maxDepth?: number; maxValues?: number; maxBytes?: number } = {},
) {
  return parseJson(text, { what, ...options })
}

/** Depth of a value, and how many arrays, objects and members it has. */
function sizeOf(value: unknown): { depth: number; parts: number } {
  if (typeof value !== 'object' || value === null) return { depth: 0, parts: 0 }
  const inner = Object.values(value).map(sizeOf)
  const members = Array.isArray(value) ? 0 : inner.length
  return {
    depth: 1 + Math.max(0, ...inner.map(({ depth }) => depth)),
    parts: 1 + members + inner.reduce((total, { parts }) => total + parts, 0),
  }
}

test('jsonExceeds knows depth and parts without reading', () => {
  fc.assert(
    fc.property(fc.json({ maxDepth: 6, stringUnit: 'binary' }), (text) => {
      const { depth, parts } = sizeOf(JSON.parse(text))
      expect(jsonExceeds(text, { depth, parts })).toBeUndefined()
      if (depth > 0) expect(jsonExceeds(text, { depth: depth - 1, parts })).toBe('depth')
      if (parts > 0) expect(jsonExceeds(text, { depth, parts: parts - 1 })).toBe('parts')
    }),
  )
})

describe('parseJson', () => {
  test('reads what JSON.parse reads, from text or bytes', () => {
    fc.assert(
      fc.property(fc.json({ maxDepth: 3, stringUnit: 'binary' }), (text) => {
        expect(parse(text)).toEqual(JSON.parse(text))
        expect(parseJson(new TextEncoder().encode(text), { what })).toEqual(JSON.parse(text))
      }),
    )
  })

  test('refuses what JSON.parse refuses', () => {
    fc.assert(
      fc.property(fc.json({ maxDepth: 3 }), fc.nat(), fc.string({ maxLength: 3 }), (text, at, insertion) => {
        const place = at % (text.length + 1)
        const mutated = text.slice(0, place) + insertion + text.slice(place)
        const expected = attempt(() => JSON.parse(mutated))
        const actual = attempt(() => parse(mutated))
        expect(actual.value).toEqual(expected.value)
        if (expected.error !== undefined) expect(actual.error).toBeInstanceOf(FormatError)
      }),
    )
  })

  test('objects have no prototype at any depth, and keep keys that have a meaning in JavaScript', () => {
    const value = parse('[{"a":{"__proto__":{"polluted":1},"constructor":2}}]') as { a: Record<string, unknown> }[]
    const inner = value[0]!.a
    expect(Object.getPrototypeOf(value[0])).toBeNull()
    expect(Object.getPrototypeOf(inner)).toBeNull()
    expect(Object.keys(inner)).toEqual(['__proto__', 'constructor'])
    expect(inner.toString).toBeUndefined()
    expect(({} as Record<string, unknown>).polluted).toBeUndefined()
  })

  test('tells objects from arrays and null', () => {
    expect([parse('{}'), parse('[]'), parse('null'), parse('"x"')].map(isJsonObject)).toEqual([true, false, false, false])
  })

  test('refuses a repeated key only when asked, by its meaning rather than its spelling', () => {
    const key = fc.constantFrom('a', 'b', '__proto__', 'é', '\\', '"')
    const spelling = fc.boolean()
    fc.assert(
      fc.property(fc.array(fc.tuple(key, spelling, fc.jsonValue()), { maxLength: 5 }), (members) => {
        const text = `[{"x":{${members.map(([name, escaped, value]) => `${spell(name, escaped)} : ${JSON.stringify(value)}`).join(',')}}}]`
        const repeats = new Set(members.map(([name]) => name)).size < members.length
        const { error } = attempt(() => parse(text, { refuseDuplicates: true }))
        expect(error instanceof FormatError).toBe(repeats)
        expect(parse(text)).toEqual(JSON.parse(text))
      }),
    )
  })

  test('the same key in different objects is no repetition; strings may look like structure', () => {
    expect(parse('{"a":{"a":[{"a":1},{"a":2}]},"b":"{\\"a\\":1,\\"a\\":[","c":":"}', { refuseDuplicates: true })).toBeDefined()
  })

  test('names the repeated key', () => {
    expect(() => parse('{"one":1,"two":2,"one":3}', { refuseDuplicates: true })).toThrow(/test\.json has the key "one" twice/)
  })

  test.each([
    ['depth', () => parse('[[[]]]', { maxDepth: 2 }), /deeper than 2/],
    ['depth far beyond any stack', () => parse('['.repeat(5_000_000)), /deeper than 64/],
    ['values', () => parse('[1,2,3]', { maxValues: 3 }), /more than 3 values/],
    ['length', () => parse('[1, 2]', { maxBytes: 5 }), /6 bytes long; expected at most 5/],
  ])('is bounded in %s', (_what, run, message) => {
    expect(run).toThrow(FormatError)
    expect(run).toThrow(message)
  })

  test('what is just within the limits is read', () => {
    expect(parse('[[1,2]]', { maxDepth: 2, maxValues: 4, maxBytes: 7 })).toEqual([[1, 2]])
  })

  test('refuses bytes that are not UTF-8', () => {
    expect(() => parseJson(Uint8Array.of(0x22, 0xff, 0x22), { what })).toThrow(/test\.json is not UTF-8/)
  })

  test('refuses limits that are unknown or senseless', () => {
    expect(() => parse('1', { maxDepth: 0 })).toThrow(OptionError)
    const misspelt = { what, maxDeep: 3 }
    expect(() => parseJson('1', misspelt)).toThrow(/unknown JSON limit 'maxDeep'/)
  })
})

function spell(name: string, escaped: boolean): string {
  if (!escaped) return JSON.stringify(name)
  return `"${[...name].map((character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`).join('')}"`
}

function attempt<T>(run: () => T): { value?: T; error?: unknown } {
  try {
    return { value: run() }
  } catch (error) {
    return { error }
  }
}
