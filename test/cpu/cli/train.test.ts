import { once } from 'node:events'
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Readable } from 'node:stream'
import { afterAll, expect, test } from 'vitest'
import { resultOf, runCli, startCli } from '../../null/cli/spawn-cli.ts'
import { Workspace } from './model-folders.ts'

const workspace = new Workspace()
afterAll(() => workspace.remove())

const corpus = workspace.file('corpus.txt', 'The cat sat on the mat. The dog sat on the log.\n'.repeat(40))
const small = ['--context', '16', '--batch', '2', '--threads', '1']
const at = (name: string) => join(workspace.path, name)
const weightsOf = (folder: string) => readFileSync(join(folder, 'model.safetensors'))

test('trains, tells how it went, and leaves a model that other commands take', async () => {
  const args = [
    'train',
    '--data',
    corpus,
    ...small,
    '--steps',
    '20',
    '--validate-every',
    '5',
    '--out',
    at('cat'),
    '--log',
    at('cat.jsonl'),
    '--sample-prompt',
    'The',
  ]
  const { code, stdout, stderr } = await runCli(args)
  expect({ code, stdout }).toEqual({
    code: 0,
    stdout: expect.stringMatching(
      /^model +.*cat\nsteps +20\nloss +\d\.\d{4} nats per token, of the last step\nvalidation +\d\.\d{4} nats per token at step \d+, the best: .*cat-checkpoints\/best\n$/,
    ),
  })
  expect(stderr).toMatch(/^1 document, 1,728 tokens to train on, 192 held out; tokenizer: characters, 16 ids\n/)
  expect(stderr.match(/^step \d+\/20: loss \d\.\d{4}, rate \S+, [\d,]+ tokens\/s$/gm)).toHaveLength(20)
  const losses = [...stderr.matchAll(/^step \d+: validation loss (\S+)/gm)].map(([, loss]) => Number(loss))
  expect(losses).toHaveLength(4)
  expect(losses.at(-1)).toBeLessThan(losses[0]!)
  expect(stderr).toMatch(/^ {2}\| The/m)
  for (const mark of ['\u001b', '\r', '█']) expect(stderr).not.toContain(mark)
  expect(
    readFileSync(at('cat.jsonl'), 'utf8')
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line).kind),
  ).toContain('validation')
  const generated = await runCli(['generate', at('cat'), 'The ', '-n', '5'])
  expect(generated).toEqual({ code: 0, stdout: expect.stringMatching(/^[\s\S]{5}$/), stderr: '' })
})

test('--json prints events and samples as lines', async () => {
  const args = ['train', '--data', corpus, ...small, '--steps', '2', '--out', at('json'), '--json']
  const { stdout, stderr } = await runCli(args)
  const events = stdout
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line) as { kind: string })
  const update = ['step', 'validation', 'sample', 'checkpoint']
  expect(events.map(({ kind }) => kind)).toEqual(['data', 'started', ...update, ...update, 'stopped', 'finished'])
  expect(stderr).toBe('')
})

test('a run that goes on with --resume equals one that never stopped', async () => {
  const args = [
    'train',
    '--data',
    corpus,
    ...small,
    '--schedule',
    'constant',
    '--checkpoint-every',
    '2',
    '--validate-every',
    '2',
    '--json',
  ]
  await runCli([...args, '--steps', '4', '--out', at('whole')])
  await runCli([...args, '--steps', '2', '--out', at('parts')])
  const { code, stdout } = await runCli([...args, '--steps', '4', '--out', at('parts'), '--resume'])
  expect({ code, stdout }).toMatchObject({ code: 0, stdout: expect.stringContaining('"resumedFrom"') })
  expect(weightsOf(at('parts')).equals(weightsOf(at('whole')))).toBe(true)
})

/** Waits for a text in a stream, and leaves the stream to other readers. */
async function untilWritten(stream: Readable, wanted: string): Promise<void> {
  for (let written = ''; !written.includes(wanted); ) {
    const [piece] = (await once(stream, 'data')) as [Uint8Array]
    written += new TextDecoder().decode(piece)
  }
}

test('Ctrl-C ends it with code 130 and a checkpoint', async () => {
  const out = at('stopped')
  const child = startCli(['train', '--data', corpus, ...small, '--steps', '1000000', '--validate-every', '1', '--out', out])
  await untilWritten(child.stderr, 'validation loss')
  child.kill('SIGINT')
  const { code, stdout, stderr } = await resultOf(child)
  expect({ code, stdout }).toEqual({ code: 130, stdout: '' })
  expect(stderr).toMatch(/stopped after step \d+; the same command with --resume goes on\n$/)
  expect(existsSync(out)).toBe(false)
  expect(readdirSync(`${out}-checkpoints`)).toContain(`step-${/after step ([\d,]+)/.exec(stderr)![1]!.replaceAll(',', '')}`)
})

test('a loss that is not finite is a failure that leaves no model', async () => {
  const wild = ['--learning-rate', '1e30', '--clip', '1e30', '--warmup', '0', '--schedule', 'constant']
  const { code, stderr } = await runCli(['train', '--data', corpus, ...small, ...wild, '--steps', '20', '--out', at('wild')])
  expect(code).toBe(1)
  expect(stderr).toMatch(/\nerror: the (loss|gradient norm) of step \d+ is .*\n$/)
  expect(existsSync(at('wild'))).toBe(false)
})

test.each([
  ['no data', ['--out', 'x'], 2, "required option '-d, --data <files...>'"],
  ['a bad number', ['--data', corpus, '--learning-rate', '-1'], 2, 'Expected a number above 0.'],
  ['a missing file', ['--data', 'no-such-file.txt', '--out', at('none')], 1, "error: no file matches 'no-such-file.txt'"],
])('%s is refused', async (_name, args, exitCode, problem) => {
  const { code, stdout, stderr } = await runCli(['train', ...args])
  expect({ code, stdout }).toEqual({ code: exitCode, stdout: '' })
  expect(stderr).toContain(problem)
  expect(stderr).not.toContain('    at ')
})
