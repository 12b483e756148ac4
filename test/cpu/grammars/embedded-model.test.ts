import { Ajv2020 } from 'ajv/dist/2020.js'
import { expect, test } from 'vitest'
import { generateText } from '../../../src/decode/index.ts'
import { openEngine } from '../../../src/engine/index.ts'
import { openGrammarCompiler } from '../../../src/grammars/index.ts'
import { openDevice, packageData } from '../../../src/platform/index.ts'
import { loadModel } from '../../../src/systems/index.ts'

const schema = {
  type: 'object',
  properties: {
    name: { type: 'string', minLength: 1, maxLength: 12 },
    kind: { enum: ['cat', 'dog', null] },
    friends: { type: 'array', items: { $ref: '#' }, maxItems: 1 },
    weight: { type: 'number', minimum: 0, maximum: 100 },
  },
  required: ['name', 'kind'],
}

test('the embedded model writes valid JSON, alone and in company', async () => {
  await using device = await openDevice({ worker: false, threads: 1 })
  await using model = await loadModel(packageData('stories260K'), { device })
  await using grammars = await openGrammarCompiler({ tokenizer: model.tokenizer, vocabularySize: model.stepper.vocabularySize })
  await using engine = openEngine(model.stepper, { maxRows: 4 })
  const constraint = await grammars.compile({ kind: 'json-schema', schema })
  const write = async (seed: number, company: boolean) => {
    const options = { constraint, seed, maxTokens: 200, temperature: 0.8 }
    let text = ''
    let finish: string | undefined
    const source = company ? engine : model.stepper
    const pieces =
      'generate' in source
        ? generateText(source, model.tokenizer, 'Once', options)
        : generateText(source, model.tokenizer, 'Once', options)
    for await (const piece of pieces) {
      text += piece.text
      finish = piece.finish
    }
    return { text, finish }
  }
  const seeds = [1, 2, 3, 4, 5, 6]
  const together = await Promise.all(seeds.map((seed) => write(seed, true)))
  const validate = new Ajv2020().compile(schema)
  for (const [i, { text, finish }] of together.entries()) {
    expect(finish, text).toBe('complete')
    expect(validate(JSON.parse(text)), text).toBe(true)
    expect(await write(seeds[i]!, false)).toEqual({ text, finish })
  }
  expect(await grammars.handles()).toEqual({ grammars: 1, matchers: 0 })
})
