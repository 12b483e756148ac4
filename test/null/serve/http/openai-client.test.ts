import OpenAI, {
  APIError,
  AuthenticationError,
  BadRequestError,
  InternalServerError,
  NotFoundError,
  RateLimitError,
  UnprocessableEntityError,
} from 'openai'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { newKey } from '../../../../src/serve/http/keys.ts'
import { eventually, openTestServer, type TestServer } from './client.ts'

const { key, hash } = newKey()
let server: TestServer
let client: OpenAI

beforeAll(async () => {
  server = await openTestServer({ keys: { tester: hash } })
  client = new OpenAI({ baseURL: `${server.url}/v1`, apiKey: key, maxRetries: 0 })
})

afterAll(() => server[Symbol.asyncDispose]())

const ask = (model: string, options: OpenAI.RequestOptions = {}) =>
  client.chat.completions.create({ model, messages: [{ role: 'user', content: 'Hello' }] }, options)

async function errorFrom(promise: Promise<unknown>): Promise<unknown> {
  return promise.then(
    () => undefined,
    (error: unknown) => error,
  )
}

test('an answer, and the id of its request', async () => {
  const { data, request_id } = await ask('some').withResponse()
  expect(data.choices[0]?.message.content).toBe('Hello.')
  expect(request_id).toMatch(/^[\w-]{36}$/)
})

describe('errors are what the client makes of OpenAI’s own', () => {
  test.each([
    ['missing', NotFoundError, { status: 404, code: 'model_not_found', type: 'not_found_error', param: 'model' }],
    [
      'invalid',
      UnprocessableEntityError,
      { status: 422, code: 'invalid_value', type: 'invalid_request_error', param: 'temperature' },
    ],
    ['busy', RateLimitError, { status: 429, code: 'overloaded', type: 'rate_limit_error' }],
    ['loading', InternalServerError, { status: 503, code: 'loading', type: 'overloaded_error' }],
    ['runtime', InternalServerError, { status: 500, code: 'internal', type: 'server_error' }],
  ])('%s', async (model, type, fields) => {
    const error = await errorFrom(ask(model))
    expect(error).toBeInstanceOf(type)
    expect(error).toMatchObject(fields)
  })

  test('a wrong key', async () => {
    const stranger = new OpenAI({ baseURL: `${server.url}/v1`, apiKey: 'nx-wrong', maxRetries: 0 })
    const error = await errorFrom(stranger.models.retrieve('one'))
    expect(error).toBeInstanceOf(AuthenticationError)
    expect(error).toMatchObject({ status: 401, code: 'invalid_api_key' })
  })

  test('a path that is none, and a body that is too large', async () => {
    expect(await errorFrom(client.get('/nowhere'))).toBeInstanceOf(NotFoundError)
    const large = await errorFrom(client.post('/echo', { body: { text: 'x'.repeat(5_000_000) } }))
    expect(large).toBeInstanceOf(APIError)
    expect(large).toMatchObject({ status: 413, code: 'body_too_large' })
    expect(await errorFrom(client.post('/echo', { body: undefined }))).toBeInstanceOf(BadRequestError)
  })

  test('in the middle of a stream', async () => {
    const stream = await client.post<AsyncIterable<unknown>>('/stream', { body: { count: 1, fail: 'busy' }, stream: true })
    const error = await errorFrom(
      (async () => {
        for await (const _ of stream as AsyncIterable<unknown>);
      })(),
    )
    expect(error).toBeInstanceOf(APIError)
    expect(error).toMatchObject({ code: 'overloaded', type: 'rate_limit_error' })
  })
})

test('the client tries again after as long as it is told', async () => {
  await using other = await openTestServer({ keys: { tester: hash } })
  const patient = new OpenAI({ baseURL: `${other.url}/v1`, apiKey: key, maxRetries: 1 })
  const answer = await patient.chat.completions.create({ model: 'busy once', messages: [] })
  expect(answer.choices[0]?.message.content).toBe('Hello.')
  expect(other.stub.calls.length).toBe(2)
})

test('leaving a stream half way ends it on the server', async () => {
  const stream = await client.chat.completions.create({ model: 'some', messages: [], stream: true, seed: 1e6 })
  let chunks = 0
  for await (const chunk of stream) {
    expect(chunk.choices[0]?.delta.content).toBe('x')
    if (++chunks === 3) break
  }
  await eventually(() => server.stub.streams === 0)
})

test('aborting a request that waits ends it on the server', async () => {
  const leave = new AbortController()
  const answer = errorFrom(client.post('/hang', { body: {}, signal: leave.signal }))
  await eventually(() => server.stub.pending.size === 1)
  leave.abort()
  expect(await answer).toBeInstanceOf(OpenAI.APIUserAbortError)
  await eventually(() => server.stub.pending.size === 0)
})
