import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { Service } from '../../../../src/serve/service.ts'
import { stubService } from '../stub-service.ts'
import { eventually, openRaw, openTestServer, rawRequest, type TestServer } from './client.ts'

let server: TestServer

beforeAll(async () => {
  server = await openTestServer({ limits: { silence: 20 } })
})

afterAll(() => server[Symbol.asyncDispose]())

test('events, one after another, and the word that ends them', async () => {
  const response = await server.post('/v1/stream', { count: 2, size: 1 })
  expect(Object.fromEntries(response.headers)).toMatchObject({
    'content-type': 'text/event-stream; charset=utf-8',
    'cache-control': 'no-store',
    'x-accel-buffering': 'no',
    'x-request-id': expect.stringMatching(/^[\w-]{36}$/),
  })
  expect(await response.text()).toBe('data: {"i":0,"text":"x"}\n\ndata: {"i":1,"text":"x"}\n\ndata: [DONE]\n\n')
})

test('events with names', async () => {
  const stub = stubService()
  const named = async function* () {
    yield { event: 'response.created', data: { type: 'response.created' } }
  }
  const endpoints: Service['endpoints'] = [
    { method: 'POST', path: '/v1/named', answer: async () => ({ kind: 'events', events: named() }) },
  ]
  await using other = await openTestServer({}, Object.assign(stub, { endpoints }))
  const response = await other.post('/v1/named', {})
  expect(await response.text()).toBe('event: response.created\ndata: {"type":"response.created"}\n\n')
})

test('headers before the first event, and comments while there is none', async () => {
  const leave = new AbortController()
  const response = await server.post('/v1/stream', { count: 1, every: 1e9 }, { signal: leave.signal })
  expect(response.status).toBe(200)
  const reader = response.body!.getReader()
  let text = ''
  while (text.length < 40) text += new TextDecoder().decode((await reader.read()).value)
  expect(text).toMatch(/^(: still here\n\n)+/)
  leave.abort()
  await eventually(() => server.stub.streams === 0)
})

describe('a stream that takes long to begin', () => {
  test('has its headers and comments all the same, then its events', async () => {
    const response = await server.post('/v1/late', { stream: true, after: 100, count: 1, size: 1 })
    const text = await response.text()
    expect(text).toMatch(/^(: still here\n\n)+data: {"i":0,"text":"x"}\n\ndata: \[DONE\]\n\n$/)
  })

  test('has its status when it fails soon, and an event when it fails late', async () => {
    expect((await server.post('/v1/late', { stream: true, after: 1, kind: 'missing' })).status).toBe(404)
    const late = await server.post('/v1/late', { stream: true, after: 100, kind: 'missing' })
    expect(late.status).toBe(200)
    expect(await late.text()).toMatch(/"code":"model_not_found"}}\n\n$/)
    expect((await server.post('/v1/late', { after: 100, kind: 'missing' })).status).toBe(404)
  })

  test('is left as any other, before it begins and after', async () => {
    for (const after of [1e6, 50]) {
      const leave = new AbortController()
      const calls = server.stub.calls.length
      const response = await server.post('/v1/late', { stream: true, after, count: 1e6, every: 5 }, { signal: leave.signal })
      expect(response.status).toBe(200)
      if (after === 50) await eventually(() => server.stub.streams === 1)
      leave.abort()
      await eventually(() => server.stub.calls[calls]!.signal.aborted && server.server.load().requests === 0)
      await eventually(() => server.stub.streams === 0)
    }
  })
})

describe('an error after the headers', () => {
  test('becomes the last event', async () => {
    const response = await server.post('/v1/stream', { count: 1, size: 1, fail: 'busy' })
    expect(response.status).toBe(200)
    const events = (await response.text()).trimEnd().split('\n\n')
    expect(events[0]).toBe('data: {"i":0,"text":"x"}')
    expect(JSON.parse(events[1]!.slice(6))).toEqual({
      error: { message: expect.stringContaining('full'), type: 'rate_limit_error', param: null, code: 'overloaded' },
    })
    expect(events.length).toBe(2)
  })

  test('says nothing of what went wrong inside', async () => {
    const text = await (await server.post('/v1/stream', { count: 0, fail: 'other' })).text()
    expect(text).toMatch(/"code":"internal"/)
    expect(text).not.toContain('secret')
  })
})

test('a reader that does not read lets the events rest', async () => {
  await using raw = await openRaw(server.server.port)
  raw.socket.pause()
  const before = server.stub.produced
  raw.send(rawRequest('POST', '/v1/stream', JSON.stringify({ count: 1e6, size: 100_000 })))
  await eventually(() => server.stub.produced > before)
  let produced = 0
  // Until the buffers of both sockets are full.
  await eventually(() => {
    const rests = server.stub.produced === produced
    produced = server.stub.produced
    return rests && produced > before
  })
  await new Promise((resolve) => setTimeout(resolve, 50))
  expect(server.stub.produced - before).toBeLessThan(500)
  raw.socket.resume()
  await eventually(() => server.stub.produced > produced + 20)
  raw.socket.destroy()
  await eventually(() => server.stub.streams === 0 && server.server.load().requests === 0)
})

test('many at once, each its own', async () => {
  const all = await Promise.all(
    Array.from({ length: 50 }, async (_, i) => (await server.post('/v1/stream', { count: i, every: 1, size: i })).text()),
  )
  for (const [i, text] of all.entries()) {
    expect(text.split('\n\n').filter((event) => event.startsWith('data: {'))).toEqual(
      Array.from({ length: i }, (_, k) => `data: ${JSON.stringify({ i: k, text: 'x'.repeat(i) })}`),
    )
  }
  expect(server.stub.streams).toBe(0)
})
