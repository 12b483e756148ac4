import { BusyError, RuntimeError } from '../../../src/base/errors.ts'
import { unlessAborted } from '../../../src/base/unless-aborted.ts'
import { ApiError, invalid, unavailable } from '../../../src/serve/api-error.ts'
import type { Answer, Call, Endpoint, ModelState, ServerEvent, Service } from '../../../src/serve/service.ts'

/** What the stub's endpoints saw and are told to do. */
export interface StubService extends Service {
  readonly calls: Call[]
  /** Calls that are neither answered nor heard their abort. */
  readonly pending: Set<Call>
  /** Events that were asked for, over all streams. */
  produced: number
  /** Streams that are open. */
  streams: number
  problems: string[]
  isReady: boolean
  drained: boolean
  states: ModelState[]
}

type Answering = (body: Record<string, unknown>, call: Call, stub: StubService) => Promise<Answer>

/**
 * Endpoints that answer without any model: `/v1/echo`, `/v1/stream` (`{ count, every, size, fail }`), `/v1/late` (a stream,
 * `after` so many milliseconds), `/v1/hang` (until aborted),
 * `/v1/deaf` (never), `/v1/fail` (`{ kind }`).
 */
export function stubService(): StubService {
  const stub: StubService = {
    endpoints: [],
    calls: [],
    pending: new Set(),
    produced: 0,
    streams: 0,
    problems: [],
    isReady: true,
    drained: false,
    states: [],
    get ready() {
      return stub.isReady
    },
    answer: () => Promise.reject(new Error('not of the stub')),
    warmUp: async () => undefined,
    models: () => stub.states,
    check: () => stub.problems,
    drain: async () => {
      stub.drained = true
    },
    [Symbol.asyncDispose]: async () => undefined,
  }
  const post = (path: string, answering: Answering): Endpoint => ({
    method: 'POST',
    path,
    answer: async ({ body }, call) => {
      stub.calls.push(call)
      return answering((body ?? {}) as Record<string, unknown>, call, stub)
    },
  })
  const models: Endpoint = {
    method: 'GET',
    path: '/v1/models/:model',
    answer: async ({ parameters }) => ({
      kind: 'json',
      body: { id: parameters.model, object: 'model', created: 0, owned_by: 'nextx' },
    }),
  }
  const all = [
    models,
    post('/v1/echo', async (body, { caller }) => ({ kind: 'json', body: { body, caller } })),
    post('/v1/chat/completions', chat),
    post('/v1/stream', async (body, call) => ({ kind: 'events', events: eventsOf(body, call, stub) })),
    post('/v1/late', async (body, call) => {
      await unlessAborted(new Promise((resolve) => setTimeout(resolve, Number(body.after))), call.signal)
      if (typeof body.kind === 'string') throw failures[body.kind]!
      return { kind: 'events', events: eventsOf(body, call, stub) }
    }),
    post('/v1/hang', (_, call) => whileHanging(stub, call, unlessAborted(new Promise<never>(() => undefined), call.signal))),
    post('/v1/deaf', (_, call) => whileHanging(stub, call, new Promise(() => undefined))),
    post('/v1/fail', async ({ kind }) => {
      throw failures[String(kind)] ?? new Error('secret of /home/somebody')
    }),
  ]
  return Object.assign(stub, { endpoints: all })
}

const chat: Answering = async ({ model, stream, seed }, call, stub) => {
  const { observer } = call
  if (typeof model !== 'string') throw invalid('model', 'expected a name')
  // Busy at the first try.
  if (model === 'busy once' && stub.calls.length === 1) throw failures.busy
  if (stream === true) return { kind: 'events', events: chunksOf(eventsOf({ count: seed, every: 5, size: 1 }, call, stub)) }
  const known = failures[model]
  if (known !== undefined) throw known
  observer.model(model)
  observer.firstToken(3)
  observer.nextToken(1)
  observer.tokens({ prompt: 5, cached: 2, generated: 2 }, 0.5)
  const choices = [{ index: 0, message: { role: 'assistant', content: 'Hello.' }, finish_reason: 'stop' }]
  return { kind: 'json', body: { id: 'one', object: 'chat.completion', created: 0, model, choices } }
}

async function* chunksOf(events: ReturnType<typeof eventsOf>): AsyncGenerator<ServerEvent, void, undefined> {
  for await (const { data } of events) {
    if (data === '[DONE]') yield { data }
    else yield { data: { id: 'one', object: 'chat.completion.chunk', choices: [{ index: 0, delta: { content: 'x' } }] } }
  }
}

const failures: Readonly<Record<string, Error>> = {
  missing: new ApiError('there is no such model', {
    status: 404,
    type: 'not_found_error',
    code: 'model_not_found',
    param: 'model',
  }),
  invalid: invalid('temperature', 'expected a number of at least 0'),
  busy: new BusyError('the queue is full'),
  loading: unavailable('the model is loading', 'loading', 7),
  runtime: new RuntimeError('a secret of the runtime at /usr/lib/somewhere'),
}

async function whileHanging(stub: StubService, call: Call, never: Promise<never>): Promise<never> {
  stub.pending.add(call)
  return never.finally(() => stub.pending.delete(call))
}

async function* eventsOf(
  body: Record<string, unknown>,
  { signal }: Call,
  stub: StubService,
): AsyncGenerator<ServerEvent, void, undefined> {
  const { count = 3, every = 0, size = 10, fail } = body as { count?: number; every?: number; size?: number; fail?: string }
  stub.streams++
  try {
    for (let i = 0; i < count; i++) {
      if (every > 0) await unlessAborted(new Promise((resolve) => setTimeout(resolve, every)), signal)
      signal.throwIfAborted()
      stub.produced++
      yield { data: { i, text: 'x'.repeat(size) } }
    }
    if (fail !== undefined) throw failures[fail] ?? new Error('secret')
    yield { data: '[DONE]' }
  } finally {
    stub.streams--
  }
}
