import { gzipSync } from 'node:zlib'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { errorOf, eventually, openRaw, openTestServer, rawRequest, type TestServer } from './client.ts'

let server: TestServer

beforeAll(async () => {
  server = await openTestServer({ limits: { bodyBytes: 100_000, bodyDepth: 8, bodyParts: 1_000 } })
})

afterAll(() => server[Symbol.asyncDispose]())

async function echoed(body: unknown): Promise<unknown> {
  const response = await server.post('/v1/echo', body)
  expect(response.status).toBe(200)
  return ((await response.json()) as { body: unknown }).body
}

const nested = (depth: number) => `${'['.repeat(depth)}${']'.repeat(depth)}`

describe('a body that is read', () => {
  test.each([
    ['text in any script', { text: 'añ字🙂\u2028\0' }],
    ['a number at its border', [1.7976931348623157e308, 5e-324, -0.5, 9007199254740991]],
    ['keys that objects inherit', JSON.parse('{"__proto__": {"a": 1}, "constructor": {"prototype": 1}, "toString": 2}')],
    ['brackets inside of text', { text: '[[[[[[[[[[[[{{{{{{{{{{{{"\\', more: ['\\"[[[[[[[[['] }],
    ['many numbers and texts', Array.from({ length: 5_000 }, (_, i) => (i % 2 ? i : ':'))],
    ['as deep as allowed', JSON.parse(nested(8))],
  ])('%s', async (_, body) => {
    expect(await echoed(JSON.stringify(body))).toEqual(JSON.parse(JSON.stringify(body)))
    expect(({} as { a?: number }).a).toBeUndefined()
  })

  test('a byte order mark is no part of it', async () => {
    expect(await echoed('\ufeff{"a": 1}')).toEqual({ a: 1 })
  })

  test.each(['application/json', 'Application/JSON; charset=utf-8', 'application/json;charset="UTF-8"'])('as %s', async (type) => {
    expect((await server.post('/v1/echo', {}, { headers: { 'content-type': type } })).status).toBe(200)
  })
})

describe('a body that is refused', () => {
  test.each([
    ['nothing', '', 400, 'empty_body'],
    ['spaces', '  ', 400, 'malformed_body'],
    ['half of it', '{"a": 1', 400, 'malformed_body'],
    ['more than one', '{} {}', 400, 'malformed_body'],
    ['NaN', '{"a": NaN}', 400, 'malformed_body'],
    ['Infinity', '{"a": -Infinity}', 400, 'malformed_body'],
    ['a number beyond doubles', '{"a": [1e999]}', 400, 'malformed_body'],
    ['a long number beyond doubles', `[${'9'.repeat(250)}e99]`, 400, 'malformed_body'],
    ['a key twice', '{"a": 1, "\\u0061": 2}', 400, 'malformed_body'],
    ['half a surrogate pair, as bytes', new Uint8Array([0x22, 0xed, 0xa0, 0x80, 0x22]), 400, 'malformed_body'],
    ['bytes that are no UTF-8', new Uint8Array([0x22, 0xff, 0x22]), 400, 'malformed_body'],
    ['UTF-16', new Uint8Array([0xff, 0xfe, 0x7b, 0, 0x7d, 0]), 400, 'malformed_body'],
    ['nine levels', nested(9), 413, 'body_too_deep'],
    ['as many levels as there is room for', '['.repeat(99_999), 413, 'body_too_deep'],
    ['nested objects', `${'{"a":'.repeat(9)}1${'}'.repeat(9)}`, 413, 'body_too_deep'],
    ['too many arrays', `[${'[],'.repeat(1_000)}0]`, 413, 'body_too_complex'],
    ['too many objects', `[${'{},'.repeat(1_000)}0]`, 413, 'body_too_complex'],
    ['too many members', `{${Array.from({ length: 1_000 }, (_, i) => `"${i}":0`).join()}}`, 413, 'body_too_complex'],
    ['too many bytes', JSON.stringify('x'.repeat(100_000)), 413, 'body_too_large'],
    ['far too many bytes', JSON.stringify('x'.repeat(5_000_000)), 413, 'body_too_large'],
  ])('%s', async (_, body, status, code) => {
    const response = await server.post('/v1/echo', body)
    expect(await errorOf(response)).toMatchObject({ status, code, type: 'invalid_request_error', param: null })
    expect((await server.post('/v1/echo', {})).status).toBe(200)
  })

  test.each([
    ['text/plain'],
    ['application/x-www-form-urlencoded'],
    ['multipart/form-data; boundary=a'],
    ['application/json; charset=utf-16'],
    ['application/jsonx'],
    ['application/json, text/plain'],
    [''],
  ])('as %s', async (type) => {
    const response = await server.post('/v1/echo', '{}', { headers: { 'content-type': type } })
    expect(await errorOf(response)).toMatchObject({ status: 415, code: 'unsupported_media_type' })
  })

  test.each(['gzip', 'br', 'identity, gzip'])('compressed by %s', async (encoding) => {
    const response = await server.post('/v1/echo', gzipSync('{}'), { headers: { 'content-encoding': encoding } })
    expect(await errorOf(response)).toMatchObject({ status: 415, code: 'unsupported_encoding' })
  })

  test('of a GET', async () => {
    await using raw = await openRaw(server.server.port)
    raw.send(rawRequest('GET', '/v1/models/one', '{}'))
    expect(await raw.until(/}}/)).toMatch(/^HTTP\/1.1 400[\s\S]*unexpected_body/)
  })

  test('in pieces without a length, as soon as there is too much', async () => {
    await using raw = await openRaw(server.server.port)
    raw.send('POST /v1/echo HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\ntransfer-encoding: chunked\r\n\r\n')
    const piece = `1000\r\n${'x'.repeat(0x1000)}\r\n`
    for (let i = 0; i < 30; i++) raw.send(piece)
    expect(await raw.until(/}}/)).toMatch(/^HTTP\/1.1 413[\s\S]*body_too_large/)
    expect(await raw.closed()).toMatch(/connection: close/i)
  })

  test('with a length that is none', async () => {
    for (const length of ['-1', '1e3', '5, 6', 'x', '99999999999999999999']) {
      await using raw = await openRaw(server.server.port)
      raw.send(`POST /v1/echo HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\ncontent-length: ${length}\r\n\r\n{}`)
      expect(await raw.closed(), length).toMatch(/^HTTP\/1.1 4(00|13) [\s\S]*"type":"invalid_request_error"/)
    }
  })

  test('with a length and in pieces at once, which is how requests are smuggled', async () => {
    await using raw = await openRaw(server.server.port)
    raw.send(rawRequest('POST', '/v1/echo', '{}', ['transfer-encoding: chunked']))
    expect(await raw.closed()).toMatch(/^HTTP\/1.1 400/)
  })
})

test('all bodies together have a limit, whether they say their length or not', async () => {
  await using small = await openTestServer({ limits: { bodyBytes: 1_000, allBodiesBytes: 2_500 } })
  const body = JSON.stringify({ text: 'x'.repeat(900) })
  const leave = new AbortController()
  for (let i = 1; i <= 2; i++) {
    small.post('/v1/hang', body, { signal: leave.signal }).catch(() => undefined)
    await eventually(() => small.stub.pending.size === i)
  }
  const refused = await small.post('/v1/echo', body)
  expect(refused.headers.get('retry-after')).toBe('1')
  expect(await errorOf(refused)).toMatchObject({ status: 429, type: 'rate_limit_error', code: 'overloaded' })
  await using raw = await openRaw(small.server.port)
  raw.send('POST /v1/echo HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\ntransfer-encoding: chunked\r\n\r\n')
  expect(await raw.until(/}}/)).toMatch(/^HTTP\/1.1 429/)
  expect((await small.post('/v1/echo', {})).status).toBe(200)
  leave.abort()
  await eventually(() => small.stub.pending.size === 0)
  expect((await small.post('/v1/echo', body)).status).toBe(200)
})

describe('requests that fit no route', () => {
  test.each([
    ['GET', '/v1/echo', 405, 'POST'],
    ['PUT', '/v1/echo', 405, 'POST'],
    ['OPTIONS', '/v1/echo', 405, 'POST'],
    ['POST', '/v1/models/one', 405, 'GET'],
    ['DELETE', '/metrics', 405, 'GET'],
    ['PROPFIND', '/health/live', 405, 'GET'],
    ['GET', '/v1/ech', 404, null],
    ['POST', '/v1/echo/', 404, null],
    ['POST', '/v1/models/one/two', 404, null],
  ])('%s %s', async (method, path, status, allow) => {
    const response = await fetch(server.url + path, { method, ...(method === 'POST' && { body: '{}' }) })
    expect(response.headers.get('allow')).toBe(allow)
    expect(await errorOf(response)).toMatchObject({ status, param: null })
  })

  test('a model with a slash, written so that it is no part of the path', async () => {
    const response = await fetch(`${server.url}/v1/models/${encodeURIComponent('some/mod el')}`)
    expect(await response.json()).toMatchObject({ id: 'some/mod el' })
  })

  test('a name that is too long', async () => {
    expect(await errorOf(await fetch(`${server.url}/v1/models/${'x'.repeat(600)}`))).toMatchObject({ status: 414 })
  })
})

describe('every answer', () => {
  test('has an id, of the client where that is short and clean', async () => {
    const ids = []
    for (const id of ['mine-1', 'x'.repeat(129), 'a b', '']) {
      const response = await server.post('/v1/echo', {}, { headers: { 'x-request-id': id } })
      ids.push(response.headers.get('x-request-id'))
    }
    expect(ids[0]).toBe('mine-1')
    for (const id of ids.slice(1)) expect(id).toMatch(/^[0-9a-f]{8}-[0-9a-f-]{27}$/)
  })

  test('keeps what went wrong inside to itself', async () => {
    for (const kind of ['runtime', 'other']) {
      const response = await server.post('/v1/fail', { kind }, { headers: { 'x-request-id': 'this-one' } })
      const error = await errorOf(response)
      expect(error).toMatchObject({ status: 500, type: 'server_error', code: 'internal' })
      expect(error.message).not.toMatch(/secret|\//)
      expect(error.message).toContain('this-one')
    }
  })

  test('says when to try again', async () => {
    const busy = await server.post('/v1/fail', { kind: 'busy' })
    const loading = await server.post('/v1/fail', { kind: 'loading' })
    expect([busy.status, busy.headers.get('retry-after'), loading.status, loading.headers.get('retry-after')]).toEqual([
      429,
      '1',
      503,
      '7',
    ])
  })
})
