import fc from 'fast-check'
import { expect, it } from 'vitest'
import { openGrammarCompiler } from '../../../src/grammars/index.ts'
import { judge } from './accepts.ts'
import { tokenizers, write } from './write.ts'

/** Few characters, so that alternatives begin alike and overlap. */
const { pattern } = fc.letrec<{ pattern: string; term: string; atom: string }>((tie) => ({
  atom: fc.oneof(
    { maxDepth: 3 },
    fc.constantFrom('a', 'b', 'é', 'è', '[ab]', '[a-c]', '[^a]', '[é-ü]', '\\w', '.', 'ab', 'ac', 'aé'),
    tie('pattern').map((inner) => `(?:${inner})`),
  ),
  term: fc
    .tuple(tie('atom'), fc.constantFrom('', '', '', '?', '*', '+', '{2}', '{1,3}', '{2,}', '{0,2}'))
    .map(([atom, count]) =>
      count === '' || atom.length === 1 || /^[[(.\\]/.test(atom) ? `${atom}${count}` : `(?:${atom})${count}`,
    ),
  pattern: fc
    .array(
      fc.array(tie('term'), { minLength: 1, maxLength: 3 }).map((terms) => terms.join('')),
      { minLength: 1, maxLength: 4 },
    )
    .map((options) => options.join('|')),
}))
const short = pattern.filter((each) => each.length <= 60)
const text = fc.string({ unit: fc.constantFrom('a', 'b', 'c', 'é', 'è', 'ê'), maxLength: 6 })

it('expressions match what they match in JavaScript', { timeout: 60_000 }, async () => {
  const tokenizer = tokenizers.bytes()
  await using grammars = await openGrammarCompiler({ tokenizer, worker: false })
  const property = fc.asyncProperty(short, fc.array(text, { minLength: 12, maxLength: 12 }), async (expression, texts) => {
    const whole = new RegExp(`^(?:${expression})$`, 'u')
    const constraint = await grammars.compile({ kind: 'regex', pattern: expression })
    for (const each of texts)
      expect([each, (await judge(constraint, tokenizer, each)) === 'whole']).toEqual([each, whole.test(each)])
  })
  await fc.assert(property, { numRuns: 120, seed: 4 })
})

it('what is written under expressions matches them, with tokens of many characters', { timeout: 60_000 }, async () => {
  const tokenizer = tokenizers.sentencepiece()
  await using grammars = await openGrammarCompiler({ tokenizer, worker: false })
  const property = fc.asyncProperty(short, fc.nat(99), async (expression, seed) => {
    const constraint = await grammars.compile({ kind: 'regex', pattern: expression })
    const { text: written, finish } = await write(tokenizer, constraint, seed, { most: 60 })
    if (finish !== 'length') expect(written).toMatch(new RegExp(`^(?:${expression})$`, 'u'))
  })
  await fc.assert(property, { numRuns: 60, seed: 5 })
})
