import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { eventually, openRaw, openTestServer, rawRequest, type TestServer } from './client.ts'

let server: TestServer

beforeEach(async () => {
  server = await openTestServer({
    limits: { headerBytes: 2_000, connections: 20, bodyBytes: 10_000 },
  })
})

afterEach(async () => {
  // Nothing is left, and the next request is answered.
  expect((await server.post('/v1/echo', {}, { headers: { connection: 'close' } })).status).toBe(200)
  await eventually(() => server.server.load().requests === 0 && server.stub.pending.size === 0 && server.stub.streams === 0)
  await server[Symbol.asyncDispose]()
  await eventually(() => server.server.load().connections === 0)
})

describe('a client that leaves', () => {
  test.each([
    ['while it waits', '/v1/hang', '{}'],
    ['while nobody hears it', '/v1/deaf', '{}'],
    ['half way through a stream', '/v1/stream', '{"count": 1000, "every": 5}'],
    ['a stream that has said nothing', '/v1/stream', '{"count": 1, "every": 1000000}'],
  ])('%s aborts its call', async (_, path, body) => {
    for (const leave of ['destroy', 'resetAndDestroy', 'end'] as const) {
      await using raw = await openRaw(server.server.port)
      const calls = server.stub.calls.length
      raw.send(rawRequest('POST', path, body))
      await eventually(() => server.stub.calls.length > calls)
      if (path === '/v1/stream') await raw.until(/\r\n\r\n/)
      raw.socket[leave]()
      const call = server.stub.calls.at(-1)!
      await eventually(() => call.signal.aborted && server.server.load().requests === 0)
    }
    server.stub.pending.clear()
  })

  test('with fetch, while it waits', async () => {
    const leave = new AbortController()
    const answer = server.post('/v1/hang', {}, { signal: leave.signal })
    await eventually(() => server.stub.pending.size === 1)
    leave.abort()
    await expect(answer).rejects.toThrow(/abort/)
    await eventually(() => server.stub.pending.size === 0)
  })

  test('aborts all that it sent ahead', async () => {
    await using raw = await openRaw(server.server.port)
    for (let i = 0; i < 5; i++) raw.send(rawRequest('POST', '/v1/hang', '{}'))
    await eventually(() => server.stub.pending.size === 5)
    raw.socket.destroy()
    await eventually(() => server.stub.pending.size === 0)
  })

  test('before its body is there makes no call', async () => {
    await using raw = await openRaw(server.server.port)
    raw.send(rawRequest('POST', '/v1/hang', '{"a": 1}').slice(0, -3))
    await eventually(() => server.server.load().requests === 1)
    raw.socket.destroy()
    await eventually(() => server.server.load().requests === 0)
    expect(server.stub.calls).toEqual([])
  })
})

describe('a client that is slow', () => {
  const openImpatient = () => openTestServer({ limits: { headerBytes: 2_000, headersTime: 200, requestTime: 400 } })

  test.each([
    ['says nothing', ''],
    ['does not finish its headers', 'POST /v1/echo HTTP/1.1\r\nhost: localhost\r\nx-a: 1'],
    ['does not finish its body', rawRequest('POST', '/v1/echo', '{"a": 1}').slice(0, -3)],
    [
      'sends a piece less than it says',
      'POST /v1/echo HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\ntransfer-encoding: chunked\r\n\r\n5\r\n{}',
    ],
  ])('%s is answered 408', async (_, text) => {
    await using impatient = await openImpatient()
    await using raw = await openRaw(impatient.server.port)
    raw.send(text)
    expect(await raw.closed()).toMatch(/^HTTP\/1.1 408 [\s\S]*"code":"request_timeout"/)
  })

  test('sends a byte now and then, and is answered all the same', async () => {
    await using impatient = await openImpatient()
    await using raw = await openRaw(impatient.server.port)
    const timer = setInterval(() => raw.send('x: y\r\n'), 20)
    raw.send('POST /v1/echo HTTP/1.1\r\n')
    try {
      expect(await raw.closed()).toMatch(/^HTTP\/1.1 (408|431)/)
    } finally {
      clearInterval(timer)
    }
  })

  test('after a request that was answered', async () => {
    await using impatient = await openImpatient()
    await using raw = await openRaw(impatient.server.port)
    raw.send(rawRequest('POST', '/v1/echo', '{}'))
    await raw.until(/}/)
    raw.send('POST /v1/echo HTTP/1.1\r\n')
    expect(await raw.closed()).toMatch(/^HTTP\/1.1 200[\s\S]*HTTP\/1.1 408/)
  })

  test('reads a stream for longer than a request may take to come', async () => {
    await using impatient = await openImpatient()
    const response = await impatient.post('/v1/stream', { count: 6, every: 100 })
    expect(await response.text()).toMatch(/\[DONE\]/)
  })
})

describe('what is no request', () => {
  test.each([
    ['noise', '\0\x01\x02garbage\r\n\r\n', 400],
    ['a TLS hello', '\x16\x03\x01\x02\0\x01\0\x01\xfc\x03\x03', 400],
    ['HTTP/2', 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n', 400],
    ['a version that is none', 'GET / HTTP/9.9\r\nhost: localhost\r\n\r\n', 400],
    ['no host', 'GET /health/live HTTP/1.1\r\n\r\n', 400],
    ['two hosts', 'GET /health/live HTTP/1.1\r\nhost: localhost\r\nhost: evil.test\r\n\r\n', 400],
    ['headers that are too long', `GET / HTTP/1.1\r\nhost: localhost\r\nx: ${'y'.repeat(3_000)}\r\n\r\n`, 431],
    ['a path that is too long', `GET /${'y'.repeat(3_000)} HTTP/1.1\r\nhost: localhost\r\n\r\n`, 431],
    ['a header that is none', 'GET / HTTP/1.1\r\nhost: localhost\r\nno header\r\n\r\n', 400],
    ['a bare line feed in a header', 'GET / HTTP/1.1\r\nhost: localhost\r\nx: a\nb: c\r\r\n\r\n', 400],
    ['a proxy’s request', 'CONNECT example.com:443 HTTP/1.1\r\nhost: example.com\r\n\r\n', 405],
    ['an absolute address', 'GET http://evil.test/metrics HTTP/1.1\r\nhost: localhost\r\n\r\n', 400],
    ['a path that is no URL', 'GET /%zz HTTP/1.1\r\nhost: localhost\r\n\r\n', 400],
  ])('%s', async (_, text, status) => {
    await using raw = await openRaw(server.server.port)
    raw.socket.write(text, 'latin1')
    const answer = await raw.until(/}}/)
    expect(answer).toMatch(new RegExp(`^HTTP/1.1 ${status} `))
    expect(Object.keys(JSON.parse(answer.slice(answer.indexOf('{'))).error)).toEqual(['message', 'type', 'param', 'code'])
  })

  test('an upgrade is answered as if it asked for none', async () => {
    await using raw = await openRaw(server.server.port)
    raw.send(rawRequest('GET', '/v1/models/one', '', ['connection: upgrade', 'upgrade: websocket', 'sec-websocket-key: x']))
    expect(await raw.until(/}/)).toMatch(/^HTTP\/1.1 200/)
  })
})

describe('one connection', () => {
  test('carries several requests ahead of their answers, in their order', async () => {
    await using raw = await openRaw(server.server.port)
    const bodies = Array.from({ length: 10 }, (_, i) => `{"number":${i}}`)
    raw.send(bodies.map((body, i) => rawRequest('POST', i % 2 ? '/v1/echo' : '/v1/stream', i % 2 ? body : '{"count":1}')).join(''))
    const text = await raw.until(/"number":9/)
    expect([...text.matchAll(/"number":(\d)/g)].map(([, number]) => Number(number))).toEqual([1, 3, 5, 7, 9])
    expect(text.match(/HTTP\/1.1 200/g)?.length).toBe(10)
  })

  test('carries no hundreds of them', async () => {
    await using raw = await openRaw(server.server.port)
    raw.send(rawRequest('POST', '/v1/hang', '{}') + rawRequest('POST', '/v1/echo', '{}').repeat(300))
    await raw.closed()
    expect(server.stub.calls.length).toBeLessThan(20)
  })

  test('is closed when long answers pile up behind one that waits', async () => {
    await using raw = await openRaw(server.server.port)
    const long = JSON.stringify({ text: 'x'.repeat(9_000) })
    raw.send(rawRequest('POST', '/v1/hang', '{}') + rawRequest('POST', '/v1/echo', long).repeat(10))
    await raw.closed()
    await eventually(() => server.stub.pending.size === 0)
  })

  test('asks whether to send a body, and is told only once its headers will do', async () => {
    await using raw = await openRaw(server.server.port)
    const head = 'host: localhost\r\ncontent-type: application/json\r\nexpect: 100-continue\r\n'
    raw.send(`POST /v1/echo HTTP/1.1\r\n${head}content-length: 2\r\n\r\n`)
    await raw.until(/^HTTP\/1.1 100 Continue\r\n\r\n$/)
    raw.send('{}')
    expect(await raw.until(/}/)).toMatch(/200 OK/)
    raw.send(`POST /v1/echo HTTP/1.1\r\n${head}content-length: 50000\r\n\r\n`)
    expect(await raw.until(/}}/)).not.toMatch(/100 Continue[\s\S]*100 Continue/)
    expect(await raw.closed()).toMatch(/413 Payload Too Large/)
  })

  test('expects what is unknown', async () => {
    await using raw = await openRaw(server.server.port)
    raw.send(rawRequest('POST', '/v1/echo', '{}', ['expect: a miracle']))
    expect(await raw.until(/}}/)).toMatch(/^HTTP\/1.1 417 [\s\S]*unknown_expectation/)
  })

  test('is closed when too many are open, and says so', async () => {
    const open = await Promise.all(Array.from({ length: 20 }, () => openRaw(server.server.port)))
    await eventually(() => server.server.load().connections === 20)
    await using raw = await openRaw(server.server.port)
    raw.send(rawRequest('POST', '/v1/echo', '{}'))
    expect(await raw.closed()).toMatch(/^HTTP\/1.1 503 [\s\S]*retry-after: \d+[\s\S]*"code":"too_many_connections"/)
    // Whoever watches over the server still hears that it lives.
    await using probe = await openRaw(server.server.port)
    probe.send(rawRequest('GET', '/health/live'))
    expect(await probe.closed()).toMatch(/^HTTP\/1.1 200 /)
    // Those from before are served.
    open[0]!.send(rawRequest('POST', '/v1/echo', '{}'))
    await open[0]!.until(/200 OK/)
    for (const one of open) one.socket.destroy()
    await eventually(() => server.server.load().connections === 0)
  })
})
