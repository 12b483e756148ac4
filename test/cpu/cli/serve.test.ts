import { once } from 'node:events'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import OpenAI from 'openai'
import { expect, test } from 'vitest'
import { newKey } from '../../../src/serve/http/keys.ts'
import { startCli } from '../../null/cli/spawn-cli.ts'

interface Running extends AsyncDisposable {
  readonly url: string
  stdout(): string
  stderr(): string
  /** Until stderr fits. */
  said(pattern: RegExp): Promise<void>
  /** The exit code. */
  stopped(signal: NodeJS.Signals): Promise<number | null>
}

/** `nextx serve` on any port, when it is ready. */
async function startServe(args: readonly string[], env: Record<string, string> = {}): Promise<Running> {
  const child = startCli(['serve', ...args], { NEXTX_PORT: '0', NEXTX_THREADS: '1', ...env })
  const text = { stdout: '', stderr: '' }
  for (const name of ['stdout', 'stderr'] as const) {
    child[name].on('data', (data) => {
      text[name] += data
    })
  }
  const exit = once(child, 'close') as Promise<[number | null]>
  const said = async (pattern: RegExp) => {
    while (!pattern.test(text.stderr)) {
      const over = await Promise.race([exit.then(() => true), new Promise<false>((resolve) => setTimeout(resolve, 10, false))])
      if (over) throw new Error(`it ended: ${text.stderr}`)
    }
  }
  await said(/^ready$/m)
  return {
    url: /^nextx serves at (\S+)$/m.exec(text.stderr)![1]!,
    stdout: () => text.stdout,
    stderr: () => text.stderr,
    said,
    stopped: async (signal) => {
      child.kill(signal)
      return (await exit)[0]
    },
    [Symbol.asyncDispose]: async () => {
      child.kill('SIGKILL')
      await exit
    },
  }
}

const messages = [{ role: 'user', content: 'Once upon a time' }] as const

test('serves the embedded model to OpenAI’s client, tells what holds, and drains', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'nextx-serve-'))
  const { key, hash } = newKey()
  writeFileSync(join(folder, 'keys.json'), JSON.stringify({ alice: hash }))
  await using server = await startServe(['tale=stories260K', '--keys', join(folder, 'keys.json'), '--limit', 'runningRows=2'])
  rmSync(folder, { recursive: true })
  expect(server.stderr()).toMatch(/models +tale \(.*stories260K\)\n +keys +1: alice\n +TLS +off\n +CORS +off\n/)
  expect(server.stderr()).toMatch(/runningRows 2$/m)
  expect(server.stderr()).toMatch(/drainTime 60000/)

  const client = new OpenAI({ baseURL: `${server.url}/v1`, apiKey: key, maxRetries: 0 })
  const done = await client.completions.create({ model: 'tale', prompt: messages[0].content, max_tokens: 8, temperature: 0 })
  const stream = await client.completions.create({
    model: 'tale',
    prompt: messages[0].content,
    max_tokens: 8,
    temperature: 0,
    stream: true,
  })
  let text = ''
  for await (const { choices } of stream) text += choices[0]?.text ?? ''
  expect([text.length > 0, text]).toEqual([true, done.choices[0]?.text])
  expect((await fetch(`${server.url}/v1/models`)).status).toBe(401)
  const metrics = await (await fetch(`${server.url}/metrics`, { headers: { authorization: `Bearer ${key}` } })).text()
  expect(metrics).toContain('nextx_tokens_total{model="tale",kind="generated"} 16')

  const last = await client.completions.create({ model: 'tale', prompt: 'The', max_tokens: 100, temperature: 1, stream: true })
  const reader = (async () => {
    let pieces = 0
    for await (const _ of last) pieces++
    return pieces
  })()
  const code = server.stopped('SIGTERM')
  expect(await reader).toBeGreaterThan(1)
  expect(await code).toBe(0)
  const requests = server
    .stdout()
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line))
    .filter(({ msg }) => msg === 'request')
  expect(requests.map(({ outcome }) => outcome)).toEqual(['finished', 'finished', 'refused', 'finished', 'finished'])
  expect(requests[0]).toMatchObject({ key: 'alice', model: 'tale', status: 200, tokens: { generated: 8 } })
  expect(server.stdout()).not.toContain('Once upon')
})

test('a second signal ends it at once', async () => {
  await using server = await startServe(['stories260K', '--log-level', 'silent'])
  const request = fetch(`${server.url}/v1/completions`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ model: 'stories260K', prompt: 'The', max_tokens: 400, stream: true }),
  })
  const response = await request
  const draining = server.stopped('SIGINT')
  const body = response.text().catch(() => 'broken off')
  await server.said(/draining/)
  // Either it was quick enough to end, or it was ended.
  expect([0, 130]).toContain(await Promise.race([draining, server.stopped('SIGINT')]))
  await body
  expect(server.stdout()).toBe('')
})

test('--traces sends spans to a collector', async () => {
  const bodies: string[] = []
  const collector = createServer((request, response) => {
    let body = ''
    request.on('data', (data) => {
      body += data
    })
    request.on('end', () => {
      bodies.push(body)
      response.setHeader('content-type', 'application/json').end('{}')
    })
  }).listen(0, '127.0.0.1')
  await once(collector, 'listening')
  const { port } = collector.address() as AddressInfo
  await using server = await startServe(['stories260K', '--traces', `http://127.0.0.1:${port}/v1/traces`])
  const traceId = '0af7651916cd43dd8448eb211c80319c'
  const headers = { 'content-type': 'application/json', traceparent: `00-${traceId}-b7ad6b7169203331-01` }
  const body = JSON.stringify({ model: 'stories260K', prompt: 'The', max_tokens: 2 })
  expect((await fetch(`${server.url}/v1/completions`, { method: 'POST', headers, body })).status).toBe(200)
  expect(await server.stopped('SIGTERM')).toBe(0)
  collector.close()
  expect(bodies.join('')).toContain(traceId)
  expect(bodies.join('')).toContain('gen_ai.usage.output_tokens')
})
