import { afterAll, expect, test } from 'vitest'
import { runCli } from '../../null/cli/spawn-cli.ts'
import { Workspace } from './model-folders.ts'

const workspace = new Workspace()
afterAll(() => workspace.remove())

const story = 'Once upon a time, there was a little girl named Lily. '

test('prints a table of a file longer than the context', async () => {
  const file = workspace.file('story.txt', story.repeat(40))
  const { code, stdout, stderr } = await runCli(['score', 'stories260K', file])
  expect({ code, stderr }).toEqual({ code: 0, stderr: '' })
  const numbers = Object.fromEntries(
    stdout
      .trimEnd()
      .split('\n')
      .map((line) => line.split(/ {2,}/))
      .map(([name, ...values]) => [name, values.map((value) => Number(value.replaceAll(',', '')))]),
  ) as Record<string, [number, number]>
  const [bytes, tokens, total] = ['bytes', 'tokens', 'log-probability'].map((name) => numbers[name]![0]) as [number, number, number]
  expect(bytes).toBe(story.length * 40)
  const nats = (count: number) => [-total / count, -total / count / Math.LN2].map((value) => expect.closeTo(value, 3))
  expect(numbers).toMatchObject({ 'per token': nats(tokens), 'per byte': nats(bytes) })
  expect(numbers.perplexity![0]).toBeCloseTo(Math.exp(-total / tokens), 2)
})

test.each([
  ['an empty file', () => workspace.file('empty.txt', ''), 'the text has nothing to score'],
  ['a missing file', () => 'no-such-file.txt', "cannot read 'no-such-file.txt': there is no such file or folder"],
  ['a folder', () => workspace.path, 'it is a folder'],
  ['bytes that are no text', () => workspace.file('bytes', Uint8Array.of(0xff, 0xfe, 0x00)), 'is not text; expected UTF-8'],
])('%s is refused in one line', async (_name, file, problem) => {
  const { code, stdout, stderr } = await runCli(['score', 'stories260K', file()])
  expect({ code, stdout }).toEqual({ code: 1, stdout: '' })
  expect(stderr).toMatch(/^error: [^\n]*\n$/)
  expect(stderr).toContain(problem)
})

test('another context, as far as the model reaches it', async () => {
  const file = workspace.file('short.txt', story)
  const perplexity = async (...args: string[]) => {
    const { code, stdout, stderr } = await runCli(['score', 'stories260K', file, '--json', ...args])
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' })
    return (JSON.parse(stdout) as { perplexity: number }).perplexity
  }
  const plain = await perplexity()
  // The story has 15 tokens and the start token.
  expect(await perplexity('--context', '20')).toBe(plain)
  expect(await perplexity('--context', '10')).not.toBe(plain)
  expect(await perplexity('--context', '1024', '--rope-scaling', 'linear:2')).not.toBe(plain)
  const beyond = await runCli(['score', 'stories260K', file, '--context', '513'])
  expect(beyond).toMatchObject({
    code: 1,
    stdout: '',
    stderr: expect.stringMatching(/a context of 513 .* 512 positions/) as string,
  })
})
