import { expect, test } from 'vitest'
import { OptionError } from '../../../../src/base/errors.ts'
import { openServer } from '../../../../src/serve/http/open-server.ts'
import { stubService } from '../stub-service.ts'
import { errorOf, eventually, openRaw, openTestServer, rawRequest } from './client.ts'

async function health(url: string, probe: 'live' | 'ready') {
  const response = await fetch(`${url}/health/${probe}`)
  return { ...((await response.json()) as { status: string }), code: response.status }
}

test('alive at once, ready when the service is', async () => {
  await using server = await openTestServer()
  server.stub.isReady = false
  expect(await health(server.url, 'live')).toEqual({ code: 200, status: 'live' })
  expect(await health(server.url, 'ready')).toEqual({ code: 503, status: 'loading' })
  server.stub.isReady = true
  expect(await health(server.url, 'ready')).toEqual({ code: 200, status: 'ready' })
})

test('not ready while something is wrong inside, which the log says once', async () => {
  const lines: string[] = []
  await using server = await openTestServer({ log: 'error', logTo: { write: (line) => void lines.push(line) } })
  server.stub.problems = ['a request that nobody looks after']
  for (let i = 0; i < 3; i++) expect(await health(server.url, 'ready')).toEqual({ code: 503, status: 'unsound' })
  expect(lines.map((line) => JSON.parse(line).problems)).toEqual([['a request that nobody looks after']])
  server.stub.problems = []
  expect(await health(server.url, 'ready')).toEqual({ code: 200, status: 'ready' })
})

test('draining lets running requests end, and takes no others', async () => {
  await using server = await openTestServer()
  const { port } = server.server
  // Connections from before: the listening socket closes when all is done.
  await using idle = await openRaw(port)
  const running = server.post('/v1/stream', { count: 5, every: 40 })
  await eventually(() => server.stub.streams === 1)
  const drained = server.server.drain()
  expect(server.server.drain()).toBe(drained)
  expect(await health(server.url, 'ready')).toEqual({ code: 503, status: 'draining' })
  expect(await health(server.url, 'live')).toEqual({ code: 200, status: 'live' })
  const refused = await server.post('/v1/echo', {})
  expect(refused.headers.get('connection')).toBe('close')
  expect(refused.headers.get('retry-after')).toBe('2')
  expect(await errorOf(refused)).toMatchObject({ status: 503, code: 'draining', type: 'overloaded_error' })
  expect(await (await running).text()).toMatch(/"i":4[\s\S]*\[DONE\]/)
  await drained
  await idle.closed()
  expect(server.stub.drained).toBe(true)
  await expect(fetch(`${server.url}/health/live`)).rejects.toThrow()
})

test('draining ends what takes too long, and says why', async () => {
  await using server = await openTestServer({ limits: { drainTime: 50 } })
  const hanging = server.post('/v1/hang', {})
  const deaf = server.post('/v1/deaf', {})
  const stream = await server.post('/v1/stream', { count: 1, every: 1e6 })
  await eventually(() => server.stub.pending.size === 2)
  await server.server.drain()
  for (const answer of [hanging, deaf]) expect(await errorOf(await answer)).toMatchObject({ status: 503, code: 'draining' })
  expect(await stream.text()).toMatch(/^data: {"error":.*"code":"draining"}}\n\n$/)
  expect(server.server.load()).toMatchObject({ requests: 0 })
})

test('an endpoint that hears nothing is answered for', async () => {
  await using server = await openTestServer({ limits: { totalTime: 1 } })
  const [deaf, stream] = await Promise.all([server.post('/v1/deaf', {}), server.post('/v1/stream', { count: 1, every: 1e6 })])
  expect(await errorOf(deaf)).toMatchObject({ status: 504, code: 'deadline_exceeded', type: 'timeout_error' })
  expect(await stream.text()).toMatch(/"code":"deadline_exceeded"/)
  await eventually(() => server.server.load().requests === 0)
})

test('a reader that never reads is let go of', async () => {
  await using server = await openTestServer({ limits: { totalTime: 1 } })
  await using raw = await openRaw(server.server.port)
  raw.socket.pause()
  raw.send(rawRequest('POST', '/v1/stream', JSON.stringify({ count: 1e6, size: 100_000 })))
  await eventually(() => server.stub.streams === 1)
  await eventually(() => server.stub.streams === 0 && server.server.load().requests === 0 && server.server.load().connections === 0)
})

test('disposing ends everything at once', async () => {
  const server = await openTestServer()
  const hanging = server.post('/v1/hang', {})
  await eventually(() => server.stub.pending.size === 1)
  await server[Symbol.asyncDispose]()
  expect((await hanging).status).toBe(503)
  expect(server.stub.pending.size).toBe(0)
})

test('a port that is taken', async () => {
  await using server = await openTestServer()
  await expect(openServer(stubService(), { port: server.server.port })).rejects.toThrow(OptionError)
  await expect(openServer(stubService(), { host: '192.0.2.1', port: 0, withoutKeys: true })).rejects.toThrow(/cannot listen/)
})

test.each([
  ['an unknown option', { prot: 1 }, /prot/],
  ['a port that is none', { port: 70_000 }, /port/],
  ['an unknown limit', { limits: { bodyByte: 1 } }, /bodyByte/],
  ['half of TLS', { tls: { certFile: 'a.pem' } }, /keyFile/],
  ['a level of the log that is none', { log: 'loud' }, /log/],
])('%s is refused', async (_, options, message) => {
  await expect(openServer(stubService(), options as never)).rejects.toThrow(message)
})
