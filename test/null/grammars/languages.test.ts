import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { LimitError, OptionError } from '../../../src/base/errors.ts'
import { type GrammarCompiler, type GrammarSpec, openGrammarCompiler } from '../../../src/grammars/index.ts'
import { judge } from './accepts.ts'
import { tokenizers } from './write.ts'

const tokenizer = tokenizers.bytes()
let grammars: GrammarCompiler

beforeAll(async () => {
  grammars = await openGrammarCompiler({ tokenizer, worker: false })
})
afterAll(async () => {
  expect((await grammars.handles()).matchers).toBe(0)
  await grammars[Symbol.asyncDispose]()
})

async function verdicts(spec: GrammarSpec, texts: readonly (string | Uint8Array)[]) {
  const constraint = await grammars.compile(spec)
  const found: string[] = []
  for (const text of texts) found.push(await judge(constraint, tokenizer, text))
  return found
}

const regexes: readonly (readonly [pattern: string, texts: readonly string[]])[] = [
  ['', ['', 'a']],
  ['abc', ['abc', 'ab', 'abcd', 'xabc', '']],
  ['^a|b$', ['a', 'b', 'ab']],
  ['a*b+c?', ['b', 'aab', 'abbc', 'ac', 'abcc']],
  ['(?:ab|ac|ad)+x', ['abx', 'acx', 'adx', 'abacadx', 'aex', 'ax']],
  ['(aa|aab|aac)(b|c)', ['aab', 'aac', 'aabb', 'aacc', 'aacb', 'aabbb', 'aad']],
  ['[a-c]b|[a-c]c|[a-d]d|xb|xc', ['ab', 'bc', 'cd', 'dd', 'db', 'xb', 'xc', 'xd', 'bb']],
  ['\\d{2,4}', ['1', '12', '123', '1234', '12345', '1a']],
  ['(\\d{3}){2}', ['123456', '12345', '1234567']],
  ['a{0}b{2}c{1,}d{0,2}', ['bbc', 'bbccdd', 'abbc', 'bbcddd', 'bc']],
  ['[^a-z]', ['A', 'a', 'é', '🦙', '\n', '\u0000']],
  ['.', ['a', '\n', '\r', '\u2028', '🦙', 'ab', '\u0085']],
  ['\\s\\S\\w\\W', [' a_-', '\u00a0é9é', '  a-', '\ufeff漢aé', '\u180eaaa-']],
  ['[\\d\\-x-z\\]]+', ['1-xyz]', 'w', '\\']],
  ['\\u{1f999}[é-ü]\\x41\\cA\\0', ['🦙éA\u0001\0', '🦙üA\u0001\0', '🦙ÿA\u0001\0']],
  ['\\ud83e\\udd99|[\\ud83e\\udd90-\\ud83e\\udd98]', ['🦙', '🦐', '🦘', '🦚']],
  ['(é|è|ê|[à-ç])(x|y)', ['éx', 'èy', 'êx', 'àx', 'çy', 'èz', 'ë']],
  ['(?<year>\\d{4})-(?<month>0[1-9]|1[0-2])', ['2024-01', '2024-13', '2024-00', '2024-12']],
  ['(a?){5}a{5}', ['aaaaa', 'aaaaaaaaaa', 'aaaa', 'aaaaaaaaaaa']],
  ['(a*)*b', ['b', 'aab', 'aa', 'ba']],
  ['(a|b|)+?c*?', ['', 'abba', 'cc', 'acb']],
  ['[]|a', ['a', '']],
  ['[^]{2}', ['a\n', '🦙é', 'a']],
  ['(ab?c?|a[bc]d|abcd?)e', ['ae', 'abe', 'abce', 'ace', 'abde', 'acde', 'abcde', 'ade', 'abcce']],
]

describe('regular expressions', () => {
  it.each(regexes)('%s means what it means in JavaScript', async (pattern, texts) => {
    const whole = new RegExp(`^(?:${pattern})$`, 'u')
    const found = await verdicts({ kind: 'regex', pattern }, texts)
    expect(found.map((verdict) => verdict === 'whole')).toEqual(texts.map((text) => whole.test(text)))
  })

  it.each([
    '(?=a)',
    '(?!a)b',
    '(?<=a)b',
    '(?<!a)b',
    '(a)\\1',
    '(?<x>a)\\k<x>',
    '\\bword',
    'a\\B',
    '\\p{L}',
    'a$b',
    'a^',
    '(^a)',
    '(?i:a)',
    '\\ud83e',
    '[\\ud83e]+a',
  ])('refuses %s by name', async (pattern) => {
    await expect(grammars.compile({ kind: 'regex', pattern })).rejects.toThrow(OptionError)
  })

  it.each(['(', '[z-a]', 'a{2,1}', '*', '\\', 'a{', ']'])('refuses %s, which is none', async (pattern) => {
    await expect(grammars.compile({ kind: 'regex', pattern })).rejects.toThrow(OptionError)
  })
})

describe('malformed UTF-8', () => {
  const malformed = [
    [0xc0, 0x80],
    [0xc1, 0xbf],
    [0xed, 0xa0, 0x80],
    [0xe0, 0x80, 0x80],
    [0xf0, 0x80, 0x80, 0x80],
    [0xf4, 0x90, 0x80, 0x80],
    [0xf5],
    [0x80],
    [0xff],
  ]

  it.each<GrammarSpec>([
    { kind: 'regex', pattern: '[^a]+' },
    { kind: 'ebnf', grammar: 'root ::= [^a]+ | .' },
  ])('never comes, %j', async (spec) => {
    const found = await verdicts(
      spec,
      malformed.map((bytes) => Uint8Array.from(bytes)),
    )
    expect(found).toEqual(malformed.map(() => 'no'))
  })
})

describe('choices', () => {
  it('are all there is', async () => {
    const choices = ['yes', 'no', 'yes, please', 'né', 'nè', '"', '\\', '🦙\n', ']']
    const texts = [...choices, 'ye', 'yes,', 'n', 'na', 'yesno', '🦙', '']
    const expected = texts.map((text) =>
      choices.includes(text) ? 'whole' : choices.some((each) => each.startsWith(text)) ? 'begins' : 'no',
    )
    expect(await verdicts({ kind: 'choice', choices }, texts)).toEqual(expected)
  })

  it.each([[[]], [['']], [['a', 5]], ['a'], [['\ud83e']]])('refuse %j', async (choices) => {
    await expect(grammars.compile({ kind: 'choice', choices: choices as string[] })).rejects.toThrow(OptionError)
  })
})

describe('grammars in EBNF', () => {
  it('may refer to themselves, from the left and in the middle', async () => {
    const grammar = `
      # sums of products
      root ::= sum
      sum ::= sum "+" product | product   # from the left
      product ::= atom ("*" atom)*
      atom ::= [0-9]+ | "(" sum ")"
    `
    const texts = ['1+2*3', '(1+(2))*30', '1+', '(1', '', ')', '1*+2']
    expect(await verdicts({ kind: 'ebnf', grammar }, texts)).toEqual(['whole', 'whole', 'begins', 'begins', 'begins', 'no', 'no'])
  })

  it('have escapes, counts and classes', async () => {
    const grammar = 'start ::= "\\u00e9\\x41\\"\\\\\\n" [^\\]\\-a-c]{2} ( "x" | "" ){1,2} . other?\nother ::= [\\U0001F999]'
    const spec = { kind: 'ebnf', grammar, root: 'start' } as const
    expect(await verdicts(spec, ['éA"\\\nddz', 'éA"\\\ndexx🦙🦙', 'éA"\\\n]', 'éA"\\\nda'])).toEqual(['whole', 'whole', 'no', 'no'])
  })

  it.each([
    ['root ::= "a', 'line 1, column 10'],
    ['root ::= "a"\nroot ::= "b"', 'second time'],
    ['root ::= b', "'b', which 'root' uses"],
    ['root "a"', 'line 1, column 1'],
    ['a ::= "b"', "no rule 'root'"],
    ['root ::= (="a") "a"', 'lookahead'],
    ['root ::= [b-a]', 'backwards'],
    ['root ::= "a"{3,2}', 'count'],
    ['root ::= "\\q"', 'escape'],
    ['root ::= "\\ud800"', 'no character'],
    ['root ::= ("a"', 'group without an end'],
    ['root ::= "a" root', 'nothing matches'],
    ['root ::= a\na ::= b\nb ::= a', 'nothing matches'],
    ['root ::= []', 'nothing matches'],
    ['', 'empty'],
  ])('refuse %j', async (grammar, message) => {
    const compiled = grammars.compile({ kind: 'ebnf', grammar })
    await expect(compiled).rejects.toThrow(OptionError)
    await expect(compiled).rejects.toThrow(message)
  })

  it('leave out what never ends', async () => {
    const grammar = 'root ::= "a" (loop | "b" | loop*)\nloop ::= "l" loop'
    expect(await verdicts({ kind: 'ebnf', grammar }, ['a', 'ab', 'al'])).toEqual(['whole', 'whole', 'no'])
  })
})

describe('any JSON', () => {
  it('is an object', async () => {
    const texts = [
      '{}',
      '{"a":[1,-2.5e+3,true,{"b":"\\u00e9\\n"}], "c": null}',
      '[]',
      '{"a":01}',
      '{"a":1,}',
      '{"a":"\n"}',
      '{"a":"\\ud800"}',
      '{ }',
      '{"a":1e999}',
      '{"a":"\u007f🦙"}',
    ]
    expect(await verdicts({ kind: 'json' }, texts)).toEqual(['whole', 'whole', 'no', 'no', 'no', 'no', 'no', 'no', 'no', 'whole'])
  })
})

describe('tags in free text', () => {
  const tags = [
    { begin: '<tool=a>', schema: { type: 'object', properties: { x: { type: 'integer' } }, required: ['x'] }, end: '</tool>' },
    { begin: '<tool=b>', schema: { type: 'boolean' }, end: '</tool>' },
  ]
  const spec = { kind: 'tagged', triggers: ['<tool'], tags } as const

  it('hold what their schemas say, and anything may stand around them', async () => {
    const texts = [
      '',
      'any 🦙 <text>',
      'so: <tool=a>{"x":5}</tool> and <tool=b>true</tool>.',
      '<tool=a>{}',
      '<tool=c>',
      'x<tool=b>true',
      '<tool=b>true</tool><tool=b>f',
    ]
    expect(await verdicts(spec, texts)).toEqual(['whole', 'whole', 'whole', 'no', 'no', 'begins', 'begins'])
  })

  it.each([
    { triggers: ['<tool', '<tool='], tags },
    { triggers: ['<other'], tags },
    { triggers: [], tags },
    { triggers: ['<tool'], tags: [] },
    { triggers: ['<tool=a'], tags },
  ])('must fit their triggers: %j', async (parts) => {
    await expect(grammars.compile({ kind: 'tagged', ...parts })).rejects.toThrow(OptionError)
  })
})

describe('what is no grammar', () => {
  const cyclic: { self?: unknown } = {}
  cyclic.self = cyclic
  it.each([
    undefined,
    null,
    5,
    {},
    { kind: 'xml' },
    { kind: 'json', more: 1 },
    { kind: 'regex' },
    { kind: 'json-schema', schema: cyclic },
    { kind: 'json-schema', schema: 5n },
  ])('is refused: %#', async (spec) => {
    await expect(grammars.compile(spec as GrammarSpec)).rejects.toThrow(OptionError)
  })

  it('is refused when it is too large or too deep', async () => {
    await expect(grammars.compile({ kind: 'choice', choices: ['a'.repeat(70_000)] })).rejects.toThrow(LimitError)
    let schema: unknown = {}
    for (let i = 0; i < 40; i++) schema = { type: 'array', items: schema }
    await expect(grammars.compile({ kind: 'json-schema', schema })).rejects.toThrow(LimitError)
    await expect(grammars.compile({ kind: 'regex', pattern: '(((a{1000}){1000}){1000})' })).rejects.toThrow(LimitError)
  })
})
