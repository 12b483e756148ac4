import { once } from 'node:events'
import { existsSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, expect, test } from 'vitest'
import { resultOf, runCli, startCli } from '../../null/cli/spawn-cli.ts'
import { Workspace } from './model-folders.ts'

const workspace = new Workspace()
const source =
  '{% for m in messages %}{{ m.role }}:{{ m.content }}\n{% endfor %}{% if add_generation_prompt %}assistant:{% endif %}'
const template = workspace.file('template.jinja', source)
const model = workspace.modelWith('talker', { max_position_embeddings: 1_000_000 })
writeFileSync(join(model, 'tokenizer_config.json'), JSON.stringify({ chat_template: source }))
afterAll(() => workspace.remove())

interface Answer {
  readonly text: string
  readonly tokens: number
  readonly finish: string
  readonly promptTokens: number
  readonly reusedTokens: number
}

const published = `${process.env.NEXTX_DATA}/models/lm-chat-char-626k`

test.runIf(existsSync(published))('a published chat model gives its published answers, and reads each turn once', async () => {
  const { code, stdout, stderr } = await runCli(['chat', published, '-t', '0', '--stats'], { input: 'Hello!\n\nThank you\n' })
  expect({ code, stdout }).toEqual({ code: 0, stdout: "Hi there! How can I help you today?\nYou're welcome! Happy to help.\n" })
  const [first, second] = [
    ...stderr.matchAll(/^(\d+) tokens of conversation, (\d+) of them reused\n\d+ tokens in .* s, finish: stop$/gm),
  ]
  // "<|user|>Hello!<|bot|>", then the answer with its end, all but whose last character was fed.
  expect(first!.slice(1)).toEqual(['21', '0'])
  expect(second!.slice(1)).toEqual([`${21 + 42 + 1 + 24}`, `${21 + 42 - 1}`])
  expect(await runCli(['chat', published, '-t', '0'], { input: 'What is AI?' })).toEqual({
    code: 0,
    stdout: "AI stands for Artificial Intelligence. It's technology that can learn and make decisions.\n",
    stderr: '',
  })
})
if (!existsSync(published)) console.info('skipped: NEXTX_DATA does not lead to lm-chat-char-626k')

test('--json gives one line per answer; --template and --system-prompt are what the model reads', async () => {
  const options = ['chat', 'stories260K', '--template', template, '--seed', '3', '-n', '12', '--json']
  const talk = async (...more: string[]) => {
    const { code, stdout, stderr } = await runCli([...options, ...more], { input: 'Once upon a time\nWhat then?\n' })
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' })
    return stdout
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line) as Answer)
  }
  const [plain, repeated, told] = [await talk(), await talk(), await talk('--system-prompt', 'Be sad.')]
  const texts = (answers: readonly Answer[]) => answers.map(({ text, tokens, finish }) => ({ text, tokens, finish }))
  expect(texts(repeated)).toEqual(texts(plain))
  expect(plain).toHaveLength(2)
  expect(plain.map(({ tokens, finish }) => [tokens, finish])).toEqual([
    [12, 'length'],
    [12, 'length'],
  ])
  expect(plain[0]!.reusedTokens).toBe(0)
  expect(plain[1]!.reusedTokens).toBeGreaterThanOrEqual(plain[0]!.promptTokens)
  expect(plain[1]!.reusedTokens).toBeLessThan(plain[1]!.promptTokens)
  expect(told[0]!.promptTokens).toBeGreaterThan(plain[0]!.promptTokens)
})

test('Ctrl-C ends an answer and then the conversation, whose state is kept meanwhile', async () => {
  const child = startCli(['chat', model, '--seed', '1', '--logit-bias', '1:-inf', '--logit-bias', '2:-inf', '--stats'])
  const result = resultOf(child)
  const seen = { stdout: '', stderr: '' }
  for (const name of ['stdout', 'stderr'] as const) child[name].on('data', (chunk: Buffer) => (seen[name] += chunk.toString()))
  const until = async (name: 'stdout' | 'stderr', holds: () => boolean) => {
    while (!holds()) await once(child[name], 'data')
  }
  const stopped = (times: number) => until('stderr', () => seen.stderr.split('finish: stopped').length > times)
  child.stdin.write('One\n')
  await until('stdout', () => seen.stdout.length > 10)
  child.kill('SIGINT')
  await stopped(1)
  const { length } = seen.stdout
  child.stdin.write('Two\n')
  await until('stdout', () => seen.stdout.length > length + 10)
  child.kill('SIGINT')
  await stopped(2)
  child.kill('SIGINT')
  expect((await result).code).toBe(130)
  const [first, second] = [
    ...seen.stderr.matchAll(/^([\d,]+) tokens of conversation, ([\d,]+) of them reused\n([\d,]+) tokens/gm),
  ].map((line) => line.slice(1).map((count) => Number(count.replace(',', ''))))
  // All of the first prompt, and of the answer all but the token that was chosen last.
  expect(first![1]).toBe(0)
  expect(second![1]).toBeGreaterThanOrEqual(first![0]! + first![2]! - 1)
  expect(second![0]).toBeGreaterThan(second![1]!)
})

test('says what is wrong in one line', async () => {
  const fails = async (args: readonly string[], input: string, message: RegExp) => {
    const { code, stdout, stderr } = await runCli(['chat', ...args], { input })
    expect(stderr).toMatch(message)
    expect({ code, stdout, lines: stderr.split('\n').length }).toEqual({ code: 1, stdout: '', lines: 2 })
  }
  await fails(['stories260K'], 'Hello\n', /no chat template; .*--template <file>/)
  await fails(['stories260K', '--template', 'nowhere.jinja'], 'Hello\n', /no file 'nowhere.jinja'/)
  await fails(['stories260K', '--template', workspace.file('broken.jinja', '{% for')], 'Hello\n', /chat template is malformed/)
  await fails(['stories260K', '--template', workspace.file('bytes.jinja', Uint8Array.of(0xff))], 'Hello\n', /not text/)
  await fails(
    ['stories260K', '--template', template],
    `${'word '.repeat(600)}\n`,
    /the conversation has \d+ tokens; expected at most the 512/,
  )
  const { code, stdout } = await runCli(['chat', 'stories260K', '--template', template], { input: '\n \n' })
  expect({ code, stdout }).toEqual({ code: 0, stdout: '' })
})
