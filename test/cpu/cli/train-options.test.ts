import { createHash } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { Command } from 'commander'
import { afterAll, beforeEach, describe, expect, test, vi } from 'vitest'
import { registerTrain } from '../../../src/cli/train.ts'
import { bytesTokenizer } from '../../../src/tokenizers/index.ts'
import { Workspace } from './model-folders.ts'

const workspace = new Workspace()
afterAll(() => workspace.remove())

const lines = Array.from({ length: 30 }, (_, i) => `line ${i} says ${'ab'.repeat(i % 5)}`)
const corpus = workspace.file('corpus.txt', lines.join('\n'))
const records = workspace.file('corpus.jsonl', lines.map((text) => JSON.stringify({ text, title: `${text}!` })).join('\n'))
const tokenizer = workspace.file('tokenizer.json', JSON.stringify(bytesTokenizer().toJSON()))
const small = ['--context', '8', '--batch', '1', '--steps', '2', '--validate-every', '2', '--threads', '1']
let runs = 0

beforeEach(() => {
  vi.spyOn(process.stdout, 'write').mockReturnValue(true)
  vi.spyOn(process.stderr, 'write').mockReturnValue(true)
})

async function train(...args: string[]): Promise<void> {
  const program = new Command().exitOverride().configureOutput({ writeErr: () => undefined })
  registerTrain(program)
  await program.parseAsync(['train', ...args], { from: 'user' })
}

/** A digest of the model that a command line trains. */
async function modelOf(data: string, ...args: string[]): Promise<string> {
  const out = join(workspace.path, `model-${runs++}`)
  await train('--data', data, ...small, '--out', out, ...args)
  const files = ['model.safetensors', 'config.json', 'tokenizer.nextx.json'].map((name) => readFileSync(join(out, name)))
  return createHash('sha256').update(Buffer.concat(files)).digest('hex')
}

describe('options of the model and the data', () => {
  const plain = modelOf(corpus)

  test('without any change the model is the same to the bit', async () => {
    expect(await modelOf(corpus)).toBe(await plain)
  })

  test.each([
    ['--seed', '2'],
    ['--batch', '2'],
    ['--context', '9'],
    ['--weight-decay', '0'],
    ['--ema', '0.5'],
    ['--validation', '0.3'],
    ['--tokenizer', 'bpe:260'],
    ['--system', 'llama'],
  ])('%s %s changes the model', async (...args) => {
    expect(await modelOf(corpus, ...args)).not.toBe(await plain)
  })

  test('JSON lines are read by field', async () => {
    const jsonLines = ['--format', 'jsonl'] as const
    const [texts, titles] = [await modelOf(records, ...jsonLines), await modelOf(records, ...jsonLines, '--field', 'title')]
    expect(texts).toBe(await modelOf(corpus, '--format', 'lines'))
    expect(titles).not.toBe(texts)
  })

  test('a tokenizer may come from a file', async () => {
    expect(await modelOf(corpus, '--tokenizer', tokenizer)).toBe(await modelOf(corpus, '--tokenizer', 'bytes'))
  })
})

const out = join(workspace.path, 'none')

test.each([
  ['a missing file', ['--data', 'no-such-file.txt'], "no file matches 'no-such-file.txt'"],
  ['an empty file', ['--data', workspace.file('empty.txt', ' \n')], 'there is no text in'],
  ['JSON lines that are none', ['--data', corpus, '--format', 'jsonl'], "line 1 of '"],
  [
    'a text shorter than the context',
    ['--data', workspace.file('short.txt', 'To be or not'), '--context', '64'],
    'make no window of 64',
  ],
  ['a folder that exists', ['--data', corpus, '--out', workspace.path], 'exists already; give another folder'],
  ['an unknown system', ['--data', corpus, '--system', 'parrot'], 'unknown system "parrot"; expected one of gemma, '],
  ['an unknown preset', ['--data', corpus, '--preset', 'huge'], "no preset 'huge'; expected one of tiny, small, base"],
  ['a missing tokenizer', ['--data', corpus, '--tokenizer', 'no-such.json'], "cannot read 'no-such.json'"],
  ['a tokenizer that is none', ['--data', corpus, '--tokenizer', records], 'is not JSON'],
  ['a warm-up longer than the run', ['--data', corpus, '--steps', '10', '--warmup', '10'], 'warmup must be shorter than steps'],
  ['a prompt outside the alphabet', ['--data', corpus, '--sample-prompt', 'é'], 'is not in the alphabet'],
  [
    'a prompt longer than the context',
    ['--data', corpus, '--context', '4', '--sample-prompt', 'says'],
    "the sample's prompt has 4 tokens",
  ],
  ['an empty prompt', ['--data', corpus, '--sample-prompt', ''], "the sample's prompt is empty"],
])('%s is refused before any step', async (_name, args, problem) => {
  await expect(train('--out', out, ...args)).rejects.toThrow(problem)
})
