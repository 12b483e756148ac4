import { once } from 'node:events'
import { existsSync, openSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { afterAll, expect, test } from 'vitest'
import { resultOf, runCli, startCli } from '../../null/cli/spawn-cli.ts'
import { shippedModel, Workspace } from './model-folders.ts'

const workspace = new Workspace()
const endless = workspace.modelWith('endless', { max_position_embeddings: 1_000_000 })
afterAll(() => workspace.remove())

interface Generated {
  readonly text: string
  readonly tokens: readonly {
    readonly token: number
    readonly text: string
    readonly logProb: number
    readonly topLogProbs?: readonly { readonly token: number; readonly logProb: number; readonly text: string }[]
  }[]
  readonly logProb: number
  readonly finish: string
  readonly seed: number
  readonly tokensPerSecond: number
}

const expected = JSON.parse(readFileSync(join(shippedModel, 'expected-greedy.json'), 'utf8')) as { greedy_ids: number[] }
const expectedText = readFileSync(join(shippedModel, 'expected-greedy.txt'), 'utf8')

test('greedy text is the published one, its tokens too, and score gives their log-probability', async () => {
  const greedy = ['generate', 'stories260K', '', '--temperature', '0', '-n', `${expected.greedy_ids.length}`]
  const { stdout } = await runCli(greedy)
  // The tokenizer puts a space before a text, and takes it off again.
  expect(` ${stdout}`).toBe(expectedText)
  const { stdout: json, stderr } = await runCli([...greedy, '--json', '--top-logprobs', '2'])
  const { tokens, logProb, ...generated } = JSON.parse(json) as Generated
  expect({ ...generated, stderr }).toMatchObject({ text: stdout, finish: 'length', stderr: '' })
  expect(tokens.map(({ token }) => token)).toEqual(expected.greedy_ids)
  expect(tokens.map((token) => token.text).join('')).toBe(stdout)
  for (const { token, logProb: own, topLogProbs } of tokens) {
    expect(topLogProbs).toHaveLength(2)
    expect(topLogProbs![0]).toMatchObject({ token, logProb: own })
  }
  const { stdout: scored } = await runCli(['score', 'stories260K', '-', '--json'], { input: stdout })
  const score = JSON.parse(scored) as { logProb: number; tokens: number; bytes: number }
  expect(score).toMatchObject({ tokens: tokens.length, bytes: Buffer.byteLength(stdout) })
  expect(Math.abs(score.logProb - logProb)).toBeLessThan(1e-3)
})

test('the same seed gives the same text, another seed another; --stats prints the seed that was drawn', async () => {
  const sampled = ['generate', shippedModel, 'Tom', '-n', '20']
  const drawn = await runCli([...sampled, '--stats'])
  expect(drawn.stderr).toMatch(
    /^20 tokens, \d[\d,]* tokens\/s .*\nlog-probability -\d+\.\d\d, -\d\.\d{3} per token\nseed (\d+), finish: length\n$/,
  )
  const seed = /seed (\d+)/.exec(drawn.stderr)![1]!
  const repeated = await runCli([...sampled, '--seed', seed])
  const other = await runCli([...sampled, '--seed', `${Number(seed) + 1}`])
  expect(repeated).toEqual({ code: 0, stdout: drawn.stdout, stderr: '' })
  expect(other.stdout).not.toBe(drawn.stdout)
})

test('the prompt comes from stdin, without the line break that ends it', async () => {
  const greedy = ['-t', '0', '-n', '12']
  const { stdout } = await runCli(['generate', 'stories260K', 'Tim had a “red” ball', ...greedy, '--echo'])
  const piped = await runCli(['generate', 'stories260K', ...greedy], { input: 'Tim had a “red” ball\n' })
  const dashed = await runCli(['generate', 'stories260K', '-', ...greedy], { input: 'Tim had a “red” ball\r\n' })
  expect(piped).toEqual({ code: 0, stdout: stdout.replace('Tim had a “red” ball', ''), stderr: '' })
  expect(dashed.stdout).toBe(piped.stdout)
  expect(piped.stdout.length).toBeGreaterThan(10)
})

test('a stop text ends the text before it', async () => {
  const { stdout } = await runCli([
    'generate',
    'stories260K',
    '',
    '-t',
    '0',
    '-n',
    '50',
    '--stop',
    ' named',
    '--stop',
    'zebra',
    '--json',
  ])
  expect(JSON.parse(stdout)).toMatchObject({ text: 'Once upon a time, there was a little girl', finish: 'stop' })
})

/** Generates for ever: a long context, and no token that ends. */
function startEndless() {
  const never = ['--logit-bias', '1:-inf', '--logit-bias', '2:-inf']
  return startCli(['generate', endless, 'Once', ...never, '--stats'])
}

test('Ctrl-C ends it with code 130, what came so far having been written', async () => {
  const child = startEndless()
  await once(child.stdout, 'readable')
  child.kill('SIGINT')
  const { code, stdout, stderr } = await resultOf(child)
  expect(code).toBe(130)
  expect(stdout).not.toBe('')
  expect(stderr).toMatch(/^[\d,]+ tokens, .*\n.*\nseed \d+\n$/)
})

test('Ctrl-C ends the wait for a prompt', async () => {
  const child = startCli(['generate', 'stories260K'])
  await once(child.stderr, 'readable')
  child.kill('SIGINT')
  expect(await resultOf(child)).toEqual({ code: 130, stdout: '', stderr: 'waiting for the prompt on stdin\n' })
})

test('a reader that has enough ends it quietly', async () => {
  const child = startEndless()
  await once(child.stdout, 'readable')
  child.stdout.destroy()
  const [[code], stderr] = await Promise.all([once(child, 'close'), text(child.stderr)])
  expect({ code, stderr }).toEqual({ code: 0, stderr: '' })
})

const full = '/dev/full'

test.skipIf(!existsSync(full))('a full disk is a failure (skipped where there is no /dev/full)', async () => {
  const child = startCli(['inspect', 'stories260K', '--json'], {}, openSync(full, 'w'))
  const [[code], stderr] = await Promise.all([once(child, 'close'), text(child.stderr)])
  expect({ code, stderr }).toEqual({ code: 1, stderr: expect.stringMatching(/^error: cannot write the output: .*ENOSPC.*\n$/) })
})

const weights = readFileSync(join(shippedModel, 'model.safetensors'))

test.each([
  [
    'a prompt longer than the context',
    () => ['stories260K', 'la '.repeat(600)],
    "the prompt has 1202 tokens; expected at most the context's 512",
  ],
  ['a bias for a token that there is not', () => ['stories260K', '', '--logit-bias', '512:1'], 'logitBias'],
  ['a folder without a configuration', () => [workspace.folder('empty')], "cannot read '"],
  ['a file in place of a folder', () => [workspace.file('file', '')], 'a folder with config.json'],
  ['weights that are cut off', () => [workspace.modelWith('cut', {}, weights.subarray(0, 5000))], 'the file may be truncated'],
  ['weights that are no weights', () => [workspace.modelWith('junk', {}, Buffer.from('PK this is a zip file'))], 'safetensors'],
  [
    'a vocabulary that the weights do not have',
    () => [workspace.modelWith('small', { vocab_size: 500 })],
    'the tokenizer has 512 ids, the model 500',
  ],
  ['weights of another shape', () => [workspace.modelWith('wide', { hidden_size: 32 })], 'does not fit the model'],
  [
    'a model of another kind',
    () => [workspace.modelWith('other', { model_type: 'parrot' })],
    'model_type "parrot" is not supported',
  ],
])('%s is refused in one line', async (_name, args, problem) => {
  const { code, stdout, stderr } = await runCli(['generate', ...args()])
  expect({ code, stdout }).toEqual({ code: 1, stdout: '' })
  expect(stderr).toMatch(/^error: [^\n]*\n$/)
  expect(stderr).toContain(problem)
})

test('a prompt that is no text is refused', async () => {
  const { code, stderr } = await runCli(['generate', 'stories260K', '-'], { input: Uint8Array.of(0x61, 0xff) })
  expect({ code, stderr }).toEqual({ code: 1, stderr: 'error: the prompt on stdin is not text; expected UTF-8\n' })
})
