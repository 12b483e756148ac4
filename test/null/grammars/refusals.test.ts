import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { OptionError } from '../../../src/base/errors.ts'
import { type GrammarCompiler, openGrammarCompiler } from '../../../src/grammars/index.ts'
import { judge } from './accepts.ts'
import { tokenizers } from './write.ts'

const tokenizer = tokenizers.bytes()
let grammars: GrammarCompiler

beforeAll(async () => {
  grammars = await openGrammarCompiler({ tokenizer, worker: false })
})
afterAll(async () => {
  await grammars[Symbol.asyncDispose]()
})

const compile = (schema: unknown) => grammars.compile({ kind: 'json-schema', schema })

/** Every keyword of JSON Schema 2020-12 (core, applicators, validation, unevaluated) that is not honoured, and some of older drafts and OpenAPI. */
const unsupported: readonly (readonly [keyword: string, value: unknown, beside?: object])[] = [
  ['not', { type: 'string' }],
  ['if', true],
  ['then', true],
  ['else', false],
  ['dependentSchemas', { a: true }],
  ['dependentRequired', { a: ['b'] }],
  ['patternProperties', { '^a': true }],
  ['propertyNames', { minLength: 1 }],
  ['propertyNames', { type: 'integer' }],
  ['minProperties', 1],
  ['maxProperties', 1],
  ['contains', { type: 'string' }],
  ['minContains', 1],
  ['maxContains', 1],
  ['unevaluatedItems', false],
  ['unevaluatedProperties', false],
  ['multipleOf', 2],
  ['contentSchema', { type: 'string' }],
  ['$dynamicRef', '#a'],
  ['$dynamicAnchor', 'a'],
  ['$anchor', 'a'],
  ['$recursiveRef', '#'],
  ['$vocabulary', {}],
  ['dependencies', { a: ['b'] }],
  ['additionalItems', false],
  ['id', 'x'],
  ['nullable', true],
  ['divisibleBy', 2],
  ['made-up', 1],
  ['uniqueItems', true],
  ['items', [{ type: 'string' }]],
  ['format', 'regex'],
  ['format', 'made-up'],
  ['exclusiveMinimum', true, { minimum: 3 }],
  ['required', true],
  ['required', [1]],
  ['properties', []],
  ['minLength', -1],
  ['maxLength', 2.5],
  ['minItems', '1'],
  ['minimum', '1'],
  ['minimum', 0.5, { type: 'number' }],
  ['format', 'int32', { type: 'number' }],
  ['format', 'int64', { type: 'number' }],
  ['exclusiveMaximum', 0.1, { type: 'number' }],
  ['pattern', '(?=a)'],
  ['pattern', '('],
  ['pattern', 5],
  ['type', 'text'],
  ['type', []],
  ['enum', 'a'],
  ['anyOf', []],
  ['anyOf', [5]],
  ['allOf', [true, true]],
  ['oneOf', [{ type: 'integer' }, { type: 'number' }]],
  ['oneOf', [{ type: 'object' }, { type: 'object', required: ['a'] }]],
  ['oneOf', [{ const: 'a' }, { enum: ['a', 'b'] }]],
  ['oneOf', [{ properties: { a: { type: 'string' } } }, { type: 'array' }]],
  ['maxLength', 5, { pattern: '^(a+b)*$' }],
  ['minLength', 11, { format: 'date' }],
  ['minLength', 2, { pattern: 'a' }],
  ['format', 'date', { pattern: 'a' }],
  ['minLength', 1, { enum: ['a'] }],
  ['properties', { a: true }, { const: {} }],
  ['enum', ['a'], { const: 'a' }],
  ['type', 'string', { $ref: '#/$defs/a' }],
  ['minimum', 5, { anyOf: [{ type: 'integer' }] }],
  ['required', ['a'], { oneOf: [{ type: 'object' }] }],
  ['additionalProperties', 5],
  ['items', null],
  ['$ref', 5],
]

describe('what is not honoured', () => {
  it.each(unsupported.map(([keyword, value, beside = {}]) => ({ keyword, value, beside })))(
    '$keyword $value is refused by its name and place',
    async ({ keyword, value, beside }) => {
      const inner = { ...beside, [keyword]: value }
      const schema = { type: 'object', properties: { 'a/b': { type: 'array', items: inner } }, $defs: { a: true } }
      const compiled = compile(schema)
      await expect(compiled).rejects.toThrow(OptionError)
      await expect(compiled).rejects.toThrow(`#/properties/a~1b/items/${keyword}`)
    },
  )

  it('is refused behind references, and in every place where a schema stands', async () => {
    const bad = { multipleOf: 2 }
    const places: readonly (readonly [schema: unknown, pointer: string])[] = [
      [{ $ref: '#/$defs/a%25', $defs: { 'a%': bad } }, '#/$defs/a%25/multipleOf'],
      [{ anyOf: [true, bad] }, '#/anyOf/1/multipleOf'],
      [{ allOf: [bad] }, '#/allOf/0/multipleOf'],
      [{ oneOf: [{ type: 'string' }, { ...bad, type: 'number' }] }, '#/oneOf/1/multipleOf'],
      [{ prefixItems: [true, bad] }, '#/prefixItems/1/multipleOf'],
      [{ additionalProperties: bad }, '#/additionalProperties/multipleOf'],
      [{ type: ['integer', 'null'], ...bad }, '#/multipleOf'],
    ]
    for (const [schema, pointer] of places) await expect(compile(schema)).rejects.toThrow(pointer)
  })

  it.each([
    false,
    { enum: [] },
    { type: 'string', enum: [1, 2] },
    { type: 'integer', minimum: 5, maximum: 4 },
    { type: 'integer', exclusiveMinimum: 4, exclusiveMaximum: 5 },
    { type: 'number', exclusiveMinimum: 5, maximum: 5 },
    { type: 'string', minLength: 5, maxLength: 4 },
    { type: 'array', minItems: 2, maxItems: 1 },
    { type: 'array', items: false, minItems: 1 },
    { type: 'object', required: ['a'], additionalProperties: false },
    { type: 'object', properties: { a: false }, required: ['a'] },
    { type: 'object', properties: { a: { $ref: '#' } }, required: ['a'] },
    { $ref: '#' },
  ])('%j, under which nothing is valid, is refused', async (schema) => {
    await expect(compile(schema)).rejects.toThrow(OptionError)
  })
})

describe('what is honoured', () => {
  const accepted = async (schema: unknown, value: string) => (await judge(await compile(schema), tokenizer, value)) === 'whole'

  it.each<[schema: unknown, yes: readonly string[], no: readonly string[]]>([
    [{ type: 'integer', minimum: -3, maximum: 12 }, ['-3', '0', '9', '12'], ['-4', '-0', '13', '1.0', '03']],
    [{ type: 'integer', exclusiveMinimum: 0.5, exclusiveMaximum: 2.5 }, ['1', '2'], ['0', '3']],
    [{ type: 'number', exclusiveMinimum: 0, maximum: 2 }, ['0.1', '1.999', '2', '2.0'], ['0', '0.0', '-0', '2.1', '-1']],
    [
      { type: 'number', exclusiveMinimum: 999, exclusiveMaximum: 1001 },
      ['999.5', '1000', '1000.99999'],
      ['999', '1001', '1000.999999999999999', '999.000000000000001'],
    ],
    [{ type: 'number', exclusiveMaximum: 0 }, ['-0.5', '-7'], ['0', '-0', '-0.0', '1']],
    [
      { type: 'string', minLength: 2, maxLength: 3 },
      ['"ab"', '"é🦙"', '"\\n\\"a"', '"\\u00e9a"'],
      ['"a"', '"abcd"', '"a\n"', '"\\ud83e\\udd99"'],
    ],
    [{ type: 'string', pattern: '^"\\\\\\n$' }, ['"\\"\\\\\\n"'], ['""\\\n"', '"a"']],
    [{ type: 'string', pattern: 'b' }, ['"b"', '"abc"'], ['"a"', '""']],
    [
      { type: 'string', format: 'date' },
      ['"2024-02-29"', '"2023-02-28"', '"1999-12-31"'],
      ['"2023-02-29"', '"2024-04-31"', '"2024-13-01"', '"2024-1-1"'],
    ],
    [
      { type: 'array', prefixItems: [{ type: 'integer' }, { type: 'null' }], minItems: 1 },
      ['[1]', '[1,null]', '[1, null]'],
      ['[]', '[1,2]', '[1,null,1]', '[1,]'],
    ],
    [
      { type: 'array', items: { type: 'boolean' }, minItems: 1, maxItems: 2 },
      ['[true]', '[true,false]'],
      ['[]', '[true,true,true]', '[null]'],
    ],
    [
      { type: 'object', properties: { a: { const: 1 }, b: { const: 2 }, c: { const: 3 } }, required: ['b'] },
      ['{"b":2}', '{"a":1,"b":2}', '{"a": 1, "b": 2, "c": 3}', '{"b":2,"c":3}'],
      ['{}', '{"a":1}', '{"b":2,"a":1}', '{"b":2,}', '{"b":2,"d":4}'],
    ],
    [{ type: 'object', additionalProperties: { type: 'integer' } }, ['{}', '{"x":1,"y":2}'], ['{"x":"1"}']],
    [{ properties: {} }, ['{}'], ['[]', '{"a":1}']],
    [{ type: ['string', 'null'], enum: ['a', null, 5] }, ['"a"', 'null'], ['5', '"b"']],
    [{ oneOf: [{ type: 'string' }, { type: 'integer' }] }, ['"a"', '5'], ['true']],
    [{ $ref: '#/$defs/a~1b%20c', $defs: { 'a/b c': { const: 'x' } } }, ['"x"'], ['"y"']],
    [{ enum: [{ a: [1, { b: null }] }, '\ud83e'] }, ['{"a":[1,{"b":null}]}', '"\\ud83e"'], ['{"a":[1,{"b":null}]', '{"a":[1]}']],
  ])('%j', async (schema, yes, no) => {
    for (const value of yes) expect([value, await accepted(schema, value)]).toEqual([value, true])
    for (const value of no) expect([value, await accepted(schema, value)]).toEqual([value, false])
  })

  it('holds for the vocabulary alone, whatever the size of the model', async () => {
    await using larger = await openGrammarCompiler({ tokenizer, vocabularySize: 300, worker: false })
    for (const compiler of [larger, grammars]) {
      const state = await (await compiler.compile({ kind: 'regex', pattern: '[^]*' })).open()
      const words = await state.allowed()
      const allowed = Array.from({ length: 32 * words!.length }, (_, id) => id).filter((id) => (words![id >> 5]! >>> (id & 31)) & 1)
      expect(Math.max(...allowed)).toBe(256)
      await state.close()
    }
    await expect(openGrammarCompiler({ tokenizer, vocabularySize: 100 })).rejects.toThrow(OptionError)
    await expect(openGrammarCompiler({ tokenizer, keep: 1 } as never)).rejects.toThrow(OptionError)
  })
})
