import { Ajv2020 } from 'ajv/dist/2020.js'
import addFormats from 'ajv-formats'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { openGrammarCompiler } from '../../../src/grammars/index.ts'
import { anySchema } from './schemas.ts'
import { tokenizers, write } from './write.ts'

function validator(schema: object) {
  const ajv = new Ajv2020({ strict: false, allErrors: true })
  addFormats.default(ajv)
  return ajv.compile(schema)
}

const schemas: object[] = JSON.parse(JSON.stringify(fc.sample(anySchema, { numRuns: 200, seed: 1 })))

describe.each([
  ['bytes', 200],
  ['sentencepiece', 200],
  ['byte pairs', 50],
  ['bytes without end tokens', 50],
] as const)('generated schemas, with %s', (name, count) => {
  it(`give texts that parse and are valid, ${count} of ${count}`, { timeout: 120_000 }, async () => {
    const tokenizer = tokenizers[name]()
    await using grammars = await openGrammarCompiler({ tokenizer, kept: 8, worker: false })
    for (const [seed, schema] of schemas.slice(-count).entries()) {
      const constraint = await grammars.compile({ kind: 'json-schema', schema })
      const { text, finish } = await write(tokenizer, constraint, seed)
      const shown = `${JSON.stringify(schema)} gave ${JSON.stringify(text)}`
      expect(['complete', 'end-token'], shown).toContain(finish)
      const validate = validator(schema)
      expect(validate(JSON.parse(text)), `${shown}: ${JSON.stringify(validate.errors)}`).toBe(true)
    }
    expect(await grammars.handles()).toEqual({ grammars: 8, matchers: 0 })
  })
})
