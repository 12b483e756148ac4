import fc from 'fast-check'
import { expect, test } from 'vitest'
import { NextxError } from '../../src/base/errors.ts'
import { type GrammarCompiler, type GrammarSpec, openGrammarCompiler } from '../../src/grammars/index.ts'
import { hostile } from '../null/grammars/hostile.ts'
import { tokenizers } from '../null/grammars/write.ts'
import { budget, patience } from './budget.ts'

const tokenizer = tokenizers.sentencepiece()

/** Compiles, and takes some tokens. Whatever happens, it is an error of nextx or none. */
async function survive(grammars: GrammarCompiler, spec: unknown, steps: number): Promise<void> {
  try {
    const constraint = await grammars.compile(spec as GrammarSpec)
    const state = await constraint.open()
    try {
      for (let step = 0; step < steps && !state.finished; step++) {
        const words = await state.allowed()
        const allowed = Array.from({ length: tokenizer.vocabularySize }, (_, id) => id).filter(
          (id) => (words![id >> 5]! >>> (id & 31)) & 1,
        )
        expect(allowed.length).toBeGreaterThan(0)
        await state.advance(allowed[(step * 7919) % allowed.length]!)
      }
    } finally {
      await state.close()
    }
  } catch (error) {
    expect(error).toBeInstanceOf(NextxError)
  }
}

test('hostile grammars are done or refused, and the compiler goes on', { timeout: patience }, async () => {
  await using grammars = await openGrammarCompiler({ tokenizer, grammarTime: 2000, tokenTime: 1000 })
  for (const [, spec] of hostile) await survive(grammars, spec, 60)
  const { matchers } = await grammars.handles()
  expect(matchers).toBe(0)
})

const keyword = fc.constantFrom(
  ...[
    'type',
    'properties',
    'required',
    'additionalProperties',
    'items',
    'prefixItems',
    'minItems',
    'maxItems',
    'enum',
    'const',
    'anyOf',
  ],
  ...['oneOf', 'allOf', '$ref', '$defs', 'minLength', 'maxLength', 'pattern', 'format', 'minimum', 'maximum', 'exclusiveMinimum'],
  ...['not', 'if', 'uniqueItems', 'multipleOf', 'patternProperties', 'title', '__proto__', 'constructor'],
)
const { value } = fc.letrec<{ value: unknown; schema: unknown }>((tie) => ({
  value: fc.oneof(
    { maxDepth: 3 },
    fc.constantFrom<unknown>(
      'object',
      'string',
      'integer',
      '#',
      '#/$defs/a',
      '^a+$',
      'date',
      0,
      1,
      2,
      5,
      -1,
      1e300,
      0.5,
      null,
      true,
      false,
      '',
      'a',
    ),
    fc.jsonValue({ maxDepth: 1 }),
    fc.array(tie('value'), { maxLength: 3 }),
    tie('schema'),
  ),
  schema: fc.dictionary(keyword, tie('value'), { maxKeys: 4, noNullPrototype: true }),
}))

test('anything as a schema is done or refused', { timeout: patience }, async () => {
  await using grammars = await openGrammarCompiler({ tokenizer, worker: false })
  const property = fc.asyncProperty(value, (schema) => survive(grammars, { kind: 'json-schema', schema }, 10))
  await fc.assert(property, budget(300, 5))
})

test('any text as an expression or a grammar is done or refused', { timeout: patience }, async () => {
  await using grammars = await openGrammarCompiler({ tokenizer, worker: false })
  const piece = fc.constantFrom(
    ...'ab()[]{}|*+?^$\\.-:=<>"#,019 \n',
    'root ::= ',
    '(?:',
    '\\d',
    '{2,3}',
    '\\u{1f999}',
    '🦙',
    'é',
    '[^',
    ']',
    '\ud83e',
  )
  const text = fc.array(piece, { maxLength: 14 }).map((parts) => parts.join(''))
  const spec = fc.oneof(
    text.map((pattern) => ({ kind: 'regex', pattern })),
    text.map((body) => ({ kind: 'ebnf', grammar: `root ::= ${body}` })),
  )
  await fc.assert(
    fc.asyncProperty(spec, (given) => survive(grammars, given, 6)),
    budget(600, 6),
  )
})
