import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as wait } from 'node:timers/promises'
import { expect, onTestFinished, test } from 'vitest'
import type { BatchOutputLine } from '../../../src/batch/index.ts'
import { redisMissing, redisServer } from '../../null/batch/redis-server.ts'
import { resultOf, runCli, startCli } from '../../null/cli/spawn-cli.ts'

function temporaryFiles() {
  const folder = mkdtempSync(join(tmpdir(), 'nextx-batch-cli-'))
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }))
  const lines = [
    { url: '/v1/completions', body: { model: 'tiny', prompt: 'Once upon a time', max_tokens: 8 } },
    { url: '/v1/completions', body: { model: 'tiny', prompt: 'Once upon a time', max_tokens: 8, temperature: 0 } },
    { url: '/v1/completions', body: { model: 'tiny', prompt: ['Tom', 'Lily'], max_tokens: 4, seed: 1, stop: ' ' } },
    { url: '/v1/embeddings', body: { model: 'tiny', input: 'a dog' } },
    { url: '/v1/score', body: { model: 'tiny', input: 'Once upon a time' } },
    { url: '/v1/completions', body: { model: 'huge', prompt: 'a' } },
    { url: '/v1/completions', body: { model: 'tiny', prompt: 'a', max_tokens: -1 } },
  ]
  const input = join(folder, 'in.jsonl')
  writeFileSync(input, lines.map((line, i) => `${JSON.stringify({ custom_id: `${i}`, method: 'POST', ...line })}\n`).join(''))
  return { input, path: (name: string) => join(folder, name) }
}

const read = (path: string) =>
  readFileSync(path, 'utf8')
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line) as BatchOutputLine)

const model = ['--model', 'tiny=stories260K', '--threads', '1']

test('a batch with the model that ships, here and over workers: one line each, the same bytes', async () => {
  const { input, path } = temporaryFiles()
  const embedded = await runCli(['batch', input, ...model, '--out', path('a.jsonl')])
  expect(embedded).toEqual({ code: 0, stdout: '', stderr: `wrote ${path('a.jsonl')}: 7 answers, 2 of them errors\n` })
  const lines = read(path('a.jsonl'))
  expect(lines.map(({ custom_id, response }) => [custom_id, response?.status_code])).toEqual(
    [200, 200, 200, 200, 200, 404, 422].map((status, i) => [`${i}`, status]),
  )
  const greedy = lines[1]!.response!.body as unknown as { choices: { text: string }[] }
  const { stdout } = await runCli(['generate', 'stories260K', 'Once upon a time', '-n', '8', '-t', '0', '--threads', '1'])
  expect(greedy.choices[0]!.text).toBe(stdout)
  const missing = redisMissing()
  if (missing !== undefined) return console.warn(`the part over Redis is skipped: ${missing}`)
  const redis = await redisServer()
  onTestFinished(() => redis.kill())
  await redis.start()
  const env = { NEXTX_QUEUE: redis.url }
  const worker = startCli(['batch-worker', ...model, '--concurrency', '2'], env)
  onTestFinished(() => void worker.kill('SIGKILL'))
  const ended = resultOf(worker)
  expect(await runCli(['batch', input, '--out', path('b.jsonl')], { env })).toMatchObject({ code: 0 })
  expect(readFileSync(path('b.jsonl'), 'utf8')).toBe(readFileSync(path('a.jsonl'), 'utf8'))
  worker.kill('SIGINT')
  expect(await ended).toEqual({ code: 130, stdout: '', stderr: 'working; Ctrl-C stops it\nanswered 7 requests\n' })
})

test('Ctrl-C, and the same command again: the bytes of a run that was left alone', async () => {
  const { input, path } = temporaryFiles()
  const lines = Array.from({ length: 24 }, (_, i) => {
    const body = { model: 'tiny', prompt: 'One day', max_tokens: 40 }
    return `${JSON.stringify({ custom_id: `${i}`, method: 'POST', url: '/v1/completions', body })}\n`
  })
  writeFileSync(input, lines.join(''))
  await runCli(['batch', input, ...model, '--out', path('whole.jsonl')])
  const args = ['batch', input, ...model, '--concurrency', '2', '--out', path('a.jsonl')]
  const child = startCli(args)
  const ended = resultOf(child)
  const written = () => (existsSync(path('a.jsonl.part')) ? readFileSync(path('a.jsonl.part'), 'utf8').split('\n').length : 0)
  while (written() < 4) await wait(2)
  child.kill('SIGINT')
  expect(await ended).toEqual({ code: 130, stdout: '', stderr: 'stopped; the same command goes on from here\n' })
  expect(existsSync(path('a.jsonl'))).toBe(false)
  expect(await runCli(args)).toMatchObject({ code: 0, stderr: `wrote ${path('a.jsonl')}: 24 answers\n` })
  expect(readFileSync(path('a.jsonl'), 'utf8')).toBe(readFileSync(path('whole.jsonl'), 'utf8'))
})

test('what is wrong with the requests is said before a model is loaded', async () => {
  const { input, path } = temporaryFiles()
  writeFileSync(input, '{"custom_id": "a"}\n')
  const { code, stderr } = await runCli(['batch', input, '--model', 'no-such-model', '--out', path('a.jsonl')])
  expect(code).toBe(1)
  expect(stderr).toMatch(/^error: line 1 of '.*in\.jsonl': /)
})

test('no Redis: an error that keeps the password', async () => {
  const { input, path } = temporaryFiles()
  const { code, stderr } = await runCli([
    '--debug',
    'batch',
    input,
    '--queue',
    'redis://:secret@127.0.0.1:1',
    '--out',
    path('a.jsonl'),
  ])
  expect(code).toBe(1)
  expect(stderr).toMatch(/^error: cannot reach Redis at 127\.0\.0\.1:1: ECONNREFUSED/)
  expect(stderr).not.toContain('secret')
})
