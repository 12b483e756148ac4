import fc from 'fast-check'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { eventually, openRaw, openTestServer, rawRequest, type TestServer } from '../null/serve/http/client.ts'
import { budget, patience } from './budget.ts'

let server: TestServer

beforeAll(async () => {
  const limits = {
    headerBytes: 4_000,
    bodyBytes: 20_000,
    bodyDepth: 16,
    headersTime: 60,
    requestTime: 120,
    totalTime: 200,
    silence: 20,
  }
  server = await openTestServer({ limits, log: 'debug', logTo: { write: () => undefined } })
})

afterAll(async () => {
  await eventually(() => server.server.load().requests === 0 && server.stub.streams === 0)
  await server[Symbol.asyncDispose]()
  await eventually(() => server.server.load().connections === 0)
})

/** The server lives, and answers the next plain request as ever. */
async function expectAlive(): Promise<void> {
  const response = await server.post('/v1/echo', { still: 'here' })
  expect([response.status, await response.json()]).toEqual([200, { body: { still: 'here' }, caller: '' }])
}

/** Every answer on a connection is one of HTTP, and errors have OpenAI's shape. */
function expectAnswers(text: string): void {
  if (text === '') return
  expect(text).toMatch(/^HTTP\/1\.1 (?:200|4\d\d|50[034]|100) /)
  for (const [, status, body] of text.matchAll(/HTTP\/1\.1 ([45]\d\d) (?:[^\r]*\r\n)*?\r\n({"error".*?}})/g)) {
    const { error } = JSON.parse(body!) as { error: object }
    expect([status, Object.keys(error)]).toEqual([status, ['message', 'type', 'param', 'code']])
  }
}

async function talk(pieces: readonly Uint8Array[], leaves: boolean): Promise<void> {
  await using raw = await openRaw(server.server.port)
  for (const piece of pieces) {
    raw.send(piece)
    if (pieces.length > 1) await new Promise((resolve) => setTimeout(resolve, 1))
  }
  if (!leaves) {
    raw.socket.end()
    expectAnswers(await raw.closed())
  }
}

const bodies = ['{}', '{"count":3}', '{"count":2,"every":1}', '{"kind":"busy"}', '[1e5, "\\u00e9", null]']
const paths = [
  '/v1/echo',
  '/v1/stream',
  '/v1/hang',
  '/v1/fail',
  '/v1/chat/completions',
  '/v1/models/one',
  '/health/ready',
  '/metrics',
  '/v1/%2e%2e/x',
]
const requests = fc
  .record({
    method: fc.constantFrom('GET', 'POST', 'OPTIONS', 'HEAD', 'PATCH'),
    path: fc.constantFrom(...paths),
    body: fc.constantFrom(...bodies),
  })
  .map(({ method, path, body }) => Buffer.from(rawRequest(method, path, method === 'POST' ? body : '')))

/** What often matters to parsers of HTTP and JSON. */
const tokens = [
  '\r\n',
  '\n',
  '\r\n\r\n',
  '\0',
  ': ',
  '0',
  '-1',
  'chunked',
  'transfer-encoding: chunked\r\n',
  'content-length: 0\r\n',
  '"',
  '[[[[',
  '}',
  '\\u',
  '1e999',
  '\xff',
  ' ',
  '%00',
  '../',
]

const damage = fc.array(
  fc.record({
    at: fc.double({ min: 0, max: 1, noNaN: true }),
    remove: fc.nat({ max: 12 }),
    insert: fc.oneof(
      fc.constantFrom(...tokens).map((token) => Buffer.from(token, 'latin1')),
      fc.uint8Array({ maxLength: 8 }),
    ),
  }),
  { maxLength: 5 },
)

function damaged(request: Uint8Array, changes: readonly { at: number; remove: number; insert: Uint8Array }[]): Uint8Array {
  return changes.reduce<Uint8Array>((bytes, { at, remove, insert }) => {
    const start = Math.floor(at * bytes.length)
    return Buffer.concat([bytes.subarray(0, start), insert, bytes.subarray(start + remove)])
  }, request)
}

test(
  'bytes that are no request',
  async () => {
    await fc.assert(
      fc.asyncProperty(fc.uint8Array({ maxLength: 6_000 }), fc.boolean(), async (bytes, leaves) => {
        await talk([bytes], leaves)
        await expectAlive()
      }),
      budget(80, 61),
    )
  },
  patience,
)

test(
  'requests that are damaged, several on a connection, in pieces, by clients that leave',
  async () => {
    const sent = fc.array(fc.tuple(requests, damage), { minLength: 1, maxLength: 4 })
    await fc.assert(
      fc.asyncProperty(sent, fc.nat({ max: 3 }), fc.boolean(), async (all, cuts, leaves) => {
        const bytes = Buffer.concat(all.map(([request, changes]) => damaged(request, changes)))
        const size = Math.ceil(bytes.length / (cuts + 1))
        const pieces = Array.from({ length: cuts + 1 }, (_, i) => bytes.subarray(i * size, (i + 1) * size))
        await talk(pieces, leaves)
        await expectAlive()
      }),
      budget(200, 62),
    )
  },
  patience,
)

test(
  'bodies of any JSON, and of almost JSON',
  async () => {
    const json = fc.json({ maxDepth: 20 })
    const almost = fc.tuple(json, damage).map(([text, changes]) => damaged(Buffer.from(text), changes))
    const body = fc.oneof(json, almost, fc.uint8Array({ maxLength: 200 }), fc.string({ unit: 'binary' }))
    await fc.assert(
      fc.asyncProperty(fc.constantFrom('/v1/echo', '/v1/chat/completions', '/v1/fail'), body, async (path, given) => {
        const response = await server.post(path, given as string | Uint8Array)
        const answer = (await response.json()) as { error?: object }
        if (response.status === 200) return
        expect(answer.error && Object.keys(answer.error)).toEqual(['message', 'type', 'param', 'code'])
        expect([400, 404, 413, 415, 422, 429, 500, 503]).toContain(response.status)
      }),
      budget(300, 63),
    )
    await expectAlive()
  },
  patience,
)
