import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { Ajv2020 } from 'ajv/dist/2020.js'
import { afterAll, expect, test } from 'vitest'
import { runCli } from '../../null/cli/spawn-cli.ts'
import { Workspace } from './model-folders.ts'

const workspace = new Workspace()
afterAll(() => workspace.remove())

function file(name: string, content: string): string {
  const path = join(workspace.path, name)
  writeFileSync(path, content)
  return path
}

const schema = {
  type: 'object',
  properties: { name: { type: 'string', maxLength: 12 }, age: { type: 'integer', minimum: 0, maximum: 99 } },
  required: ['name', 'age'],
  additionalProperties: false,
}

test('generate writes JSON of a schema', async () => {
  const path = file('schema.json', JSON.stringify(schema))
  for (const seed of ['1', '2']) {
    const { stdout, code } = await runCli(['generate', 'stories260K', 'Tom is', '--json-schema', path, '--seed', seed, '--json'])
    const { text, finish } = JSON.parse(stdout) as { text: string; finish: string }
    expect([code, finish]).toEqual([0, 'complete'])
    expect(new Ajv2020().validate(schema, JSON.parse(text))).toBe(true)
  }
})

test('generate writes what an expression, a grammar or a list allows', async () => {
  const number = await runCli(['generate', 'stories260K', 'In the year', '--regex', ' [12]\\d{3}'])
  expect(number.stdout).toMatch(/^ ?[12]\d{3}$/)
  const grammar = file('grammar.ebnf', 'root ::= ("cat" | "dog") " and " root2\nroot2 ::= "bird"+')
  expect((await runCli(['generate', 'stories260K', 'A', '--grammar', grammar])).stdout).toMatch(/^(cat|dog) and (bird)+$/)
  expect((await runCli(['generate', 'stories260K', 'A', '--choice', 'yes', '--choice', 'no'])).stdout).toMatch(/^(yes|no)$/)
})

test('generate says what it does not support, and where', async () => {
  const path = file('not.json', JSON.stringify({ type: 'object', properties: { a: { not: { type: 'string' } } } }))
  const { code, stderr } = await runCli(['generate', 'stories260K', 'A', '--json-schema', path])
  expect([code, stderr]).toEqual([1, expect.stringContaining('#/properties/a/not is not supported')])
  const broken = await runCli(['generate', 'stories260K', 'A', '--json-schema', file('broken.json', '{"type":')])
  expect([broken.code, broken.stderr]).toEqual([1, expect.stringContaining('broken.json')])
  const both = await runCli(['generate', 'stories260K', 'A', '--regex', 'a', '--choice', 'b'])
  expect([both.code, both.stderr]).toEqual([2, expect.stringContaining('cannot be used with')])
  const pictures = await runCli(['generate', 'garments', '--regex', 'a'])
  expect([pictures.code, pictures.stderr]).toEqual([1, expect.stringContaining('--regex is for text')])
})
