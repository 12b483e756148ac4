import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, expect, test } from 'vitest'
import { FormatError } from '../../../src/base/errors.ts'
import { readChatFormat } from '../../../src/systems/index.ts'
import { chatTemplate } from '../../../src/tokenizers/index.ts'
import { smallGpt2, writeVocabularyFile } from '../../null/tokenizers/gguf-metadata.ts'

const root = mkdtempSync(join(tmpdir(), 'nextx-'))
afterAll(() => rmSync(root, { recursive: true }))

function folder(files: Readonly<Record<string, unknown>>): string {
  const path = mkdtempSync(join(root, 'model-'))
  for (const [name, content] of Object.entries(files)) {
    writeFileSync(join(path, name), typeof content === 'string' ? content : JSON.stringify(content))
  }
  return path
}

const named = [
  { name: 'default', template: 'b' },
  { name: 'rag', template: 'c' },
]

test('a template comes from a file of its own, from tokenizer_config.json, or there is none', async () => {
  const config = { bos_token: { content: '<s>' }, eos_token: '</s>', chat_template: 'a' }
  const tokens = { bosToken: '<s>', eosToken: '</s>' }
  expect(await readChatFormat(folder({ 'tokenizer_config.json': config }))).toEqual({ template: 'a', stop: [], ...tokens })
  const both = folder({ 'tokenizer_config.json': config, 'chat_template.jinja': 'own' })
  expect(await readChatFormat(both)).toEqual({ template: 'own', stop: [], ...tokens })
  expect(await readChatFormat(folder({ 'tokenizer_config.json': { chat_template: named } }))).toEqual({ template: 'b', stop: [] })
  expect(await readChatFormat(folder({ 'tokenizer_config.json': {}, 'config.json': {} }))).toBe(undefined)
  await expect(readChatFormat(folder({ 'tokenizer_config.json': { chat_template: 5 } }))).rejects.toThrow(FormatError)
})

test('a template of places becomes one of Jinja', async () => {
  const format = await readChatFormat(folder({ 'config.json': { template: '<|"u"|>{user}<|b|>{bot}<|end|>' } }))
  expect(format!.stop).toEqual(['<|end|>'])
  const { render } = chatTemplate(format!.template)
  const [hello, hi, bye] = ['Hello', 'Hi', 'Bye'].map((content, turn) => ({ role: turn === 1 ? 'assistant' : 'user', content }))
  expect(render([hello!, hi!, bye!])).toBe('<|"u"|>Hello<|b|>Hi<|end|>\n<|"u"|>Bye<|b|>')
  expect(() => render([{ role: 'system', content: 'Be kind.' }])).toThrow('no place for the role system')
})

test('a GGUF file has it in its metadata', async () => {
  const file = (template?: string) => {
    const path = join(root, `${template}.gguf`)
    const metadata = new Map(smallGpt2())
    if (template !== undefined) metadata.set('tokenizer.chat_template', template)
    writeFileSync(path, writeVocabularyFile(metadata))
    return path
  }
  expect(await readChatFormat(file('d'))).toEqual({ template: 'd', stop: [], bosToken: '<s>', eosToken: '<s>' })
  expect(await readChatFormat(file())).toBe(undefined)
})
