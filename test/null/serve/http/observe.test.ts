import { InMemorySpanExporter, NodeTracerProvider, SimpleSpanProcessor } from '@opentelemetry/sdk-trace-node'
import { describe, expect, test } from 'vitest'
import { newCounters } from '../../../../src/engine/engine-stats.ts'
import { newKey } from '../../../../src/serve/http/keys.ts'
import { metricsObserver } from '../../../../src/serve/observe/metrics.ts'
import { observers } from '../../../../src/serve/observe/observers.ts'
import { traceObserver } from '../../../../src/serve/observe/trace.ts'
import type { RequestObserver, ServiceObserver } from '../../../../src/serve/observer.ts'
import type { ModelState } from '../../../../src/serve/service.ts'
import { stubService } from '../stub-service.ts'
import { eventually, openRaw, openTestServer, rawRequest } from './client.ts'

/** Notes all that it is told, as text. */
function noting(): ServiceObserver & { readonly notes: string[] } {
  const notes: string[] = []
  return {
    notes,
    begin: ({ path }) => {
      const note =
        (what: string) =>
        (...given: unknown[]) =>
          void notes.push(`${path} ${what} ${JSON.stringify(given)}`)
      const names = ['model', 'firstToken', 'nextToken', 'tokens', 'end'] as const
      return Object.fromEntries(names.map((name) => [name, note(name)])) as unknown as RequestObserver
    },
  }
}

/** The numbers of a text of Prometheus. */
async function numbersOf(url: string, headers: Record<string, string> = {}): Promise<Map<string, number>> {
  const response = await fetch(`${url}/metrics`, { headers })
  expect(response.headers.get('content-type')).toBe('text/plain; version=0.0.4; charset=utf-8')
  const lines = (await response.text()).split('\n').filter((line) => line !== '' && !line.startsWith('#'))
  return new Map(lines.map((line) => [line.slice(0, line.lastIndexOf(' ')), Number(line.slice(line.lastIndexOf(' ') + 1))]))
}

describe('each request has one end', () => {
  test.each([
    ['/v1/echo', '{}', ['finished', null, 200]],
    ['/v1/stream', '{"count":1}', ['finished', null, 200]],
    ['/v1/stream', '{"count":1,"fail":"busy"}', ['refused', 'overloaded', 200]],
    ['/v1/stream', '{"count":1,"fail":"other"}', ['failed', 'internal', 200]],
    ['/v1/fail', '{"kind":"busy"}', ['refused', 'overloaded', 429]],
    ['/v1/fail', '{"kind":"loading"}', ['refused', 'loading', 503]],
    ['/v1/fail', '{"kind":"runtime"}', ['failed', 'internal', 500]],
    ['/v1/echo', '{', ['refused', 'malformed_body', 400]],
    ['/v1/echo', '', ['refused', 'empty_body', 400]],
    ['/v1/deaf', '{}', ['late', 'deadline_exceeded', 504]],
  ])('%s %s', async (path, body, end) => {
    const observer = noting()
    await using server = await openTestServer({ observer, limits: { totalTime: 1 } })
    await (await server.post(path, body)).text()
    await eventually(() => server.server.load().requests === 0)
    expect(observer.notes).toEqual([`${path} end ${JSON.stringify(end)}`])
  })

  test('when the client leaves', async () => {
    for (const path of ['/v1/hang', '/v1/deaf', '/v1/stream']) {
      const observer = noting()
      await using server = await openTestServer({ observer })
      await using raw = await openRaw(server.server.port)
      raw.send(rawRequest('POST', path, '{"count":1,"every":1000000}'))
      await eventually(() => server.stub.calls.length === 1)
      raw.socket.destroy()
      await eventually(() => observer.notes.length > 0)
      await server[Symbol.asyncDispose]()
      expect(observer.notes).toEqual([`${path} end ["aborted",null,200]`])
    }
  })

  test('where there is no endpoint, without the path, which anybody may make up', async () => {
    const observer = noting()
    await using server = await openTestServer({ observer })
    await fetch(`${server.url}/made/up`)
    await fetch(`${server.url}/health/live`)
    await eventually(() => server.server.load().requests === 0)
    expect(observer.notes).toEqual(['(unknown) end ["refused","unknown_path",404]'])
  })

  test('for several observers', () => {
    const [one, two] = [noting(), noting()]
    const both = observers(one, two).begin({ path: '/v1/x', id: '1' })
    both.model('m')
    both.firstToken(1)
    both.nextToken(2)
    both.tokens({ prompt: 1, cached: 0, generated: 2 }, 3)
    both.end('finished')
    expect(one.notes).toHaveLength(5)
    expect(two.notes).toEqual(one.notes)
  })
})

test('observers that fail harm no request', async () => {
  const fail = () => {
    throw new Error('of the observer')
  }
  const lines: string[] = []
  const broken: ServiceObserver = { begin: () => ({ model: fail, firstToken: fail, nextToken: fail, tokens: fail, end: fail }) }
  for (const observer of [broken, { begin: fail }]) {
    await using server = await openTestServer({ observer, log: 'error', logTo: { write: (line) => void lines.push(line) } })
    expect((await server.post('/v1/chat/completions', { model: 'some' })).status).toBe(200)
    await eventually(() => server.server.load().requests === 0)
  }
  expect(lines.length).toBe(6)
})

describe('metrics', () => {
  test('count requests by how they end, their tokens and times', async () => {
    await using server = await openTestServer()
    const chat = { model: 'some', messages: [] }
    for (const body of [chat, chat, { model: 'busy' }, {}]) await (await server.post('/v1/chat/completions', body)).text()
    await fetch(`${server.url}/made/up`)
    await eventually(() => server.server.load().requests === 0)
    expect(Object.fromEntries(await numbersOf(server.url))).toMatchObject({
      'nextx_requests_total{path="/v1/chat/completions",outcome="finished",code=""}': 2,
      'nextx_requests_total{path="/v1/chat/completions",outcome="refused",code="overloaded"}': 1,
      'nextx_requests_total{path="/v1/chat/completions",outcome="refused",code="invalid_value"}': 1,
      'nextx_requests_total{path="(unknown)",outcome="refused",code="unknown_path"}': 1,
      'nextx_requests_active{path="/v1/chat/completions"}': 0,
      'nextx_request_duration_seconds_count{path="/v1/chat/completions"}': 2,
      'nextx_time_to_first_token_seconds_bucket{le="0.005",model="some"}': 2,
      'nextx_time_to_first_token_seconds_sum{model="some"}': 0.006,
      'nextx_inter_token_seconds_count{model="some"}': 2,
      'nextx_queue_wait_seconds_sum{model="some"}': 0.001,
      'nextx_tokens_total{model="some",kind="prompt"}': 10,
      'nextx_tokens_total{model="some",kind="cached"}': 4,
      'nextx_tokens_total{model="some",kind="generated"}': 4,
    })
  })

  test('show the states of models', async () => {
    const stub = stubService()
    const now = { waiting: 3, waitingTokens: 70, running: 2, paused: 0, parked: 1, slotsUsed: 0, slotsReserved: 0 }
    const counted = { ...newCounters(), steps: 9, stepTime: { total: 500, longest: 80 }, failed: 4 }
    const engine = { ...counted, now, prefixCache: { states: 5, bytes: 600 } }
    const text: ModelState = { name: 'a', kind: 'text', loaded: true, users: 2, bytes: 100, stateBytes: 50, engine }
    stub.states = [text, { name: 'b', kind: 'pictures', loaded: false, users: 0, bytes: 7 }]
    await using server = await openTestServer({}, stub)
    for (let scrape = 0; scrape < 2; scrape++) {
      expect(Object.fromEntries(await numbersOf(server.url))).toMatchObject({
        'nextx_model_loaded{model="a"}': 1,
        'nextx_model_loaded{model="b"}': 0,
        'nextx_model_bytes{model="b"}': 7,
        'nextx_state_bytes{model="a"}': 50,
        'nextx_queue_requests{model="a"}': 3,
        'nextx_queue_tokens{model="a"}': 70,
        'nextx_rows_running{model="a"}': 2,
        'nextx_rows_parked{model="a"}': 1,
        'nextx_prefix_cache_bytes{model="a"}': 600,
        'nextx_engine_steps_total{model="a"}': 9,
        'nextx_engine_step_seconds_total{model="a"}': 0.5,
        'nextx_engine_step_longest_seconds{model="a"}': 0.08,
        'nextx_engine_errors_total{model="a"}': 4,
        'nextx_engine_refused_total{model="a",reason="queue-full"}': 0,
      })
    }
    stub.states = []
    expect([...(await numbersOf(server.url)).keys()].filter((name) => name.includes('model="a"'))).toEqual([])
  })

  test('of the process, in a registry of their own each', async () => {
    const [one, two] = [metricsObserver({ process: true }), metricsObserver()]
    one.begin({ path: '/v1/x', id: '1' }).end('finished')
    expect(await one.text()).toMatch(/nextx_requests_total\{[^}]*\} 1[\s\S]*nodejs_eventloop_lag_p99_seconds/)
    expect(await two.text()).not.toMatch(/\{.*\} 1|eventloop/)
  })
})

describe('logs', () => {
  test('have a line for each request, and never a text or a key', async () => {
    const { key, hash } = newKey()
    const lines: string[] = []
    const logTo = { write: (line: string) => void lines.push(line) }
    await using server = await openTestServer({ keys: { alice: hash }, log: 'debug', logTo })
    const headers = { authorization: `Bearer ${key}`, 'x-request-id': 'mine' }
    const secret = 'a prompt that is nobody’s business'
    await (await server.post('/v1/chat/completions', { model: 'some', messages: [secret] }, { headers })).text()
    for (const path of ['/v1/fail', '/v1/echo', '/v1/stream']) {
      await (await server.post(path, { secret, count: 1 }, { headers })).text()
      await (await server.post(path, `{"${secret}": `, { headers })).text()
    }
    await fetch(`${server.url}/v1/models/${encodeURIComponent(secret)}?secret=${secret}`, {
      headers: { authorization: 'Bearer nx-wrong' },
    })
    await eventually(() => server.server.load().requests === 0)
    const requests = lines.map((line) => JSON.parse(line)).filter(({ msg }) => msg === 'request')
    expect(requests).toHaveLength(8)
    expect(requests[0]).toMatchObject({
      ...{ level: 30, id: 'mine', path: '/v1/chat/completions', key: 'alice', model: 'some', outcome: 'finished', status: 200 },
      ...{ firstTokenMs: 3, waitedMs: 0.5, tokens: { prompt: 5, cached: 2, generated: 2 }, ms: expect.any(Number) },
    })
    expect(requests[1]).toMatchObject({ level: 50, path: '/v1/fail', outcome: 'failed', status: 500, code: 'internal' })
    expect(requests[7]).toMatchObject({ path: '/v1/models/:model', outcome: 'refused', status: 401, code: 'invalid_api_key' })
    expect(requests[7].key).toBeUndefined()
    const all = lines.join('')
    for (const word of [secret, 'business', key, 'nx-wrong']) expect(all).not.toContain(word)
    // The cause of what went wrong inside is there, under the id that the client was told.
    expect(all).toMatch(/"id":"mine"[^\n]*"code":"internal"[^\n]*secret of \/home\/somebody/)
  })
})

describe('traces', () => {
  test('a span for each request, under that of its caller', async () => {
    const exporter = new InMemorySpanExporter()
    const provider = new NodeTracerProvider({ spanProcessors: [new SimpleSpanProcessor(exporter)] })
    await using server = await openTestServer({ observer: traceObserver(provider.getTracer('test')) })
    const [traceId, spanId] = ['0af7651916cd43dd8448eb211c80319c', 'b7ad6b7169203331']
    const headers = { traceparent: `00-${traceId}-${spanId}-01`, tracestate: 'vendor=1', 'x-request-id': 'mine' }
    await (await server.post('/v1/chat/completions', { model: 'some' }, { headers })).text()
    await (await server.post('/v1/fail', { kind: 'runtime' }, { headers: { traceparent: '00-zz-zz-01' } })).text()
    await eventually(() => exporter.getFinishedSpans().length === 2)
    const [chat, failed] = exporter.getFinishedSpans()
    expect(chat!.spanContext().traceId).toBe(traceId)
    expect(chat!.parentSpanContext).toMatchObject({ spanId, isRemote: true })
    expect(chat!.attributes).toEqual({
      'http.route': '/v1/chat/completions',
      'http.response.status_code': 200,
      'nextx.request.id': 'mine',
      'nextx.outcome': 'finished',
      'nextx.queue.milliseconds': 0.5,
      'gen_ai.provider.name': 'nextx',
      'gen_ai.operation.name': 'chat',
      'gen_ai.request.model': 'some',
      'gen_ai.usage.input_tokens': 5,
      'gen_ai.usage.cache_read.input_tokens': 2,
      'gen_ai.usage.output_tokens': 2,
    })
    expect(chat!.events.map(({ name }) => name)).toEqual(['first token'])
    expect(failed!.parentSpanContext).toBeUndefined()
    expect(failed!.status.code).toBe(2)
    await provider.shutdown()
  })
})
