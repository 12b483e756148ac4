import { setTimeout as wait } from 'node:timers/promises'
import { ApiError } from '../../../src/serve/api-error.ts'
import type { AnswerOptions, ModelState, ServerEvent, Service } from '../../../src/serve/service.ts'

export type Body = Readonly<Record<string, unknown>>

/** What the model says in one turn. */
export interface Turn {
  /** In the pieces of a stream. */
  readonly text?: readonly string[]
  readonly calls?: readonly { readonly id: string; readonly name: string; readonly arguments: string }[]
  readonly finish?: string
  /** Instead of an answer, or after its text in a stream. */
  readonly error?: Error
  /** Milliseconds before each piece. */
  readonly delay?: number
  readonly logprobs?: readonly object[]
}

export interface StubRequest {
  readonly path: string
  readonly body: Body
  readonly options: AnswerOptions
}

const head = (object: string) => ({ id: 'chatcmpl-1', object, created: 1_700_000_000, model: 'chatty' })
const usage = { prompt_tokens: 20, completion_tokens: 5, total_tokens: 25, prompt_tokens_details: { cached_tokens: 8 } }

/** A service in OpenAI's shapes that says what it is told to, turn by turn. */
export function openAiStub(turns: readonly Turn[]): Service & { readonly requests: StubRequest[]; left: number } {
  const requests: StubRequest[] = []
  const stub = { requests, left: 0 }
  let next = 0
  const answer: Service['answer'] = async (path, given, options = {}) => {
    const body = given as Body
    requests.push({ path, body, options })
    if (path === '/v1/embeddings') return { kind: 'json', body: embeddings(body) }
    if (path === '/v1/images/generations') return { kind: 'json', body: pictures(body) }
    const turn = turns[next++]
    if (turn === undefined) throw new Error('the stub has no more turns')
    if (turn.error !== undefined && turn.text === undefined) throw turn.error
    if (body.stream === true) return { kind: 'events', events: chunks(turn, path, options.signal, () => stub.left++) }
    await wait(turn.delay ?? 0, undefined, options.signal && { signal: options.signal })
    return { kind: 'json', body: path === '/v1/completions' ? completion(turn) : chat(turn) }
  }
  const models = (['text', 'pictures'] as const).map((kind): ModelState => {
    return { name: kind === 'text' ? 'chatty' : 'painter', kind, loaded: true, users: 0, bytes: 0 }
  })
  return Object.assign(stub, {
    answer,
    endpoints: [],
    warmUp: async () => undefined,
    ready: true,
    models: () => models,
    check: () => [],
    drain: async () => undefined,
    [Symbol.asyncDispose]: async () => undefined,
  })
}

/** An error as services have it. */
export function busy(): ApiError {
  return new ApiError('too many wait', { status: 429, type: 'rate_limit_error', code: 'overloaded', retryAfter: 0.01 })
}

const wireCall = ({ id, name, arguments: given }: NonNullable<Turn['calls']>[number]) => {
  return { id, type: 'function', function: { name, arguments: given } }
}

function chat({ text = [], calls = [], finish, logprobs }: Turn) {
  const content = text.length === 0 ? null : text.join('')
  const message = { role: 'assistant', content, refusal: null, ...(calls.length > 0 && { tool_calls: calls.map(wireCall) }) }
  const finish_reason = finish ?? (calls.length > 0 ? 'tool_calls' : 'stop')
  const told = logprobs ? { content: logprobs, refusal: null } : null
  return { ...head('chat.completion'), choices: [{ index: 0, message, logprobs: told, finish_reason }], usage }
}

function completion({ text = [], finish = 'stop' }: Turn) {
  return { ...head('text_completion'), choices: [{ index: 0, text: text.join(''), logprobs: null, finish_reason: finish }], usage }
}

async function* chunks(
  turn: Turn,
  path: string,
  signal: AbortSignal | undefined,
  left: () => void,
): AsyncGenerator<ServerEvent, void, undefined> {
  const { text = [], calls = [], error, delay, logprobs } = turn
  const plain = path === '/v1/completions'
  const chunk = (
    delta: { content?: string; tool_calls?: object[] },
    finish: string | null = null,
    told: readonly object[] = [],
  ): ServerEvent => {
    const said = plain ? { text: delta.content ?? '' } : { delta, logprobs: told.length > 0 ? { content: told } : null }
    return { data: { ...head('chat.completion.chunk'), choices: [{ index: 0, ...said, finish_reason: finish }], usage: null } }
  }
  try {
    if (!plain) yield chunk({ content: '' })
    for (const [i, content] of text.entries()) {
      if (delay !== undefined) await wait(delay, undefined, signal && { signal })
      yield chunk({ content }, null, logprobs?.slice(i, i + 1))
    }
    if (error !== undefined) throw error
    for (const [index, call] of calls.entries()) {
      const whole = wireCall(call)
      const half = Math.ceil(call.arguments.length / 2)
      const part = (slice: string, more: object = {}) => chunk({ tool_calls: [{ index, ...more, function: { arguments: slice } }] })
      yield chunk({ tool_calls: [{ ...whole, index, function: { name: call.name, arguments: call.arguments.slice(0, half) } }] })
      yield part(call.arguments.slice(half))
    }
    yield chunk({}, turn.finish ?? (calls.length > 0 ? 'tool_calls' : 'stop'))
    yield { data: { ...head('chat.completion.chunk'), choices: [], usage } }
    yield { data: '[DONE]' }
  } finally {
    left()
  }
}

function embeddings({ input }: Body) {
  const data = (input as string[]).map((text, index) => ({ object: 'embedding', index, embedding: [text.length, index] }))
  return { object: 'list', model: 'chatty', data, usage: { prompt_tokens: data.length * 3, total_tokens: data.length * 3 } }
}

/** A PNG's signature and the picture's number. */
function pictures({ n }: Body) {
  const data = Array.from({ length: n as number }, (_, i) => ({
    b64_json: Buffer.from([0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a, i]).toString('base64'),
  }))
  return { created: 1_700_000_000, data, size: '28x28', output_format: 'png' }
}
