import { describe, expect, it } from 'vitest'
import { serveLimits } from '../../../src/serve/limits.ts'
import type { Outcome, RequestObserver, ServiceObserver } from '../../../src/serve/observer.ts'
import { serviceOf } from '../../../src/serve/open-service.ts'
import type { AnswerOptions, Service } from '../../../src/serve/service.ts'
import { type StubModel, stubSource } from './stub-text-host.ts'

function serviceFor(model: StubModel = {}, observer?: ServiceObserver) {
  const source = stubSource(model)
  const limits = serveLimits(model.limits)
  return { source, service: serviceOf([source], { limits, memoryBytes: 10_000, preload: [source.name], observer }) }
}

interface TokenJson {
  readonly logprob: number
  readonly top_logprobs: readonly TokenJson[]
}

interface CallJson {
  readonly function: { readonly name: string; readonly arguments: string }
}

interface ChoiceJson {
  readonly index: number
  readonly text: string
  readonly message: { readonly content: string; readonly tool_calls: readonly CallJson[] }
  readonly delta: { readonly content?: string }
  readonly logprobs: {
    readonly content: readonly TokenJson[]
    readonly tokens: readonly string[]
    readonly token_logprobs: readonly number[]
    readonly top_logprobs: readonly Readonly<Record<string, number>>[]
    readonly text_offset: readonly number[]
  }
  readonly finish_reason: string | null
}

/** The fields of all answers and events, as the tests look at them. */
interface Json {
  readonly object: string
  readonly choices: readonly ChoiceJson[]
  readonly usage: { readonly prompt_tokens: number; readonly completion_tokens: number }
  readonly data: readonly { readonly logprob: number }[]
  readonly output: readonly { readonly content: readonly { readonly text: string }[] }[]
  readonly type: string
  readonly sequence_number: number
  readonly delta: string
  readonly response: Json
}

async function json(service: Service, path: string, body: object, options?: AnswerOptions): Promise<Json> {
  const answer = await service.answer(path, { model: 'stub', ...body }, options)
  if (answer.kind !== 'json') throw new Error('a stream')
  return answer.body as unknown as Json
}

async function events(service: Service, path: string, body: object): Promise<Json[]> {
  const answer = await service.answer(path, { model: 'stub', stream: true, ...body })
  if (answer.kind !== 'events') throw new Error('no stream')
  const all: Json[] = []
  for await (const { data } of answer.events) if (data !== '[DONE]') all.push(data as unknown as Json)
  return all
}

function refusal(service: Service, path: string, body: object): Promise<unknown> {
  return service.answer(path, { model: 'stub', ...body }).then(
    () => 'answered',
    (error: unknown) => error,
  )
}

const messages = [{ role: 'user', content: 'Hello' }]
const hello = () => 'Hi there!'

describe('chat completions', () => {
  it('answer what the model says', async () => {
    const { service } = serviceFor({ says: hello })
    const { choices, usage, object } = await json(service, '/v1/chat/completions', { messages, temperature: 0 })
    expect(object).toBe('chat.completion')
    expect(choices).toEqual([
      { index: 0, message: { role: 'assistant', content: 'Hi there!', refusal: null }, logprobs: null, finish_reason: 'stop' },
    ])
    expect(usage).toMatchObject({ completion_tokens: 10, total_tokens: usage.prompt_tokens + 10 })
  })

  it('stream the same text, and the same usage', async () => {
    const { service } = serviceFor()
    const body = { messages, seed: 5, max_tokens: 20, n: 3 }
    const whole = await json(service, '/v1/chat/completions', body)
    const chunks = await events(service, '/v1/chat/completions', { ...body, stream_options: { include_usage: true } })
    for (let index = 0; index < 3; index++) {
      const mine = chunks.flatMap(({ choices }) => choices).filter((choice) => choice.index === index)
      expect(mine.map(({ delta }) => delta.content ?? '').join('')).toBe(whole.choices[index]!.message.content)
      expect(mine.filter(({ finish_reason }) => finish_reason !== null)).toHaveLength(1)
    }
    expect(chunks.at(-1)).toMatchObject({ choices: [], usage: whole.usage })
    expect(new Set(whole.choices.map((choice) => choice.message.content)).size).toBe(3)
  })

  it('repeat themselves with a seed, and differ with another', async () => {
    const { service } = serviceFor()
    const said = async (seed: number) =>
      (await json(service, '/v1/chat/completions', { messages, seed, max_tokens: 12 })).choices[0]!.message.content
    expect(await said(-3)).toBe(await said(-3))
    expect(await said(1)).not.toBe(await said(2))
  })

  it('end before a stop, and say that they were cut', async () => {
    const { service } = serviceFor({ says: hello })
    const stopped = await json(service, '/v1/chat/completions', { messages, stop: ['there'] })
    expect(stopped.choices[0]).toMatchObject({ message: { content: 'Hi ' }, finish_reason: 'stop' })
    const cut = await json(service, '/v1/chat/completions', { messages, max_completion_tokens: 4 })
    expect(cut.choices[0]).toMatchObject({ message: { content: 'Hi t' }, finish_reason: 'length' })
  })

  it('say how likely each token was', async () => {
    const { service } = serviceFor()
    const { choices } = await json(service, '/v1/chat/completions', {
      messages,
      seed: 1,
      max_tokens: 5,
      logprobs: true,
      top_logprobs: 3,
    })
    expect(choices[0]!.logprobs.content).toHaveLength(5)
    for (const { logprob, top_logprobs } of choices[0]!.logprobs.content) {
      expect(logprob).toBeLessThanOrEqual(0)
      expect(top_logprobs).toHaveLength(3)
      expect(top_logprobs[0]!.logprob).toBeGreaterThanOrEqual(logprob)
    }
  })

  it('give each of several messages its place, and developers the place of the system', async () => {
    const { service } = serviceFor({ says: (read) => read.toUpperCase() })
    const { choices } = await json(service, '/v1/chat/completions', {
      messages: [
        { role: 'developer', content: 'short' },
        {
          role: 'user',
          content: [
            { type: 'text', text: 'a' },
            { type: 'text', text: 'b' },
          ],
        },
        { role: 'assistant', content: 'c' },
        { role: 'user', content: 'd' },
      ],
    })
    expect(choices[0]!.message.content).toContain('SYSTEM: SHORT\nUSER: AB\nASSISTANT: C\nUSER: D\n')
  })
})

describe('bias', () => {
  it('excludes at −100 and forces at 100', async () => {
    const { service } = serviceFor({ says: hello })
    const say = async (logit_bias: object) =>
      (await json(service, '/v1/completions', { prompt: '|', max_tokens: 1, temperature: 0, logit_bias })).choices[0]!.text
    expect(await say({ [String('X'.charCodeAt(0))]: 100 })).toBe('X')
    expect(await say({ [String('H'.charCodeAt(0))]: -100 })).not.toBe('H')
  })
})

describe('tools', () => {
  const weather = {
    type: 'function',
    function: { name: 'weather', parameters: { type: 'object', properties: { city: { type: 'string' } }, required: ['city'] } },
  }

  it('are told to models whose templates have no place for them', async () => {
    const { service } = serviceFor({ says: (read) => read })
    const { choices } = await json(service, '/v1/chat/completions', { messages, tools: [weather], tool_choice: 'none' })
    expect(choices[0]!.message.content).not.toContain('weather')
  })

  it('hold a call to the schema once the model has begun one', async () => {
    const parameters = {
      type: 'object',
      properties: { city: { enum: ['Bern', 'Rome'] } },
      required: ['city'],
      additionalProperties: false,
    }
    const tools = [{ type: 'function', function: { name: 'weather', parameters } }]
    const says = () => 'Well. <tool_call>\n{"name": "other", "arguments": {"place": 5}}\n</tool_call>'
    const { service } = serviceFor({ says, grammars: 'real', contextLength: 2048 })
    const { choices } = await json(service, '/v1/chat/completions', {
      messages,
      tools,
      temperature: 0,
      parallel_tool_calls: false,
      max_tokens: 200,
    })
    expect(choices[0]).toMatchObject({ finish_reason: 'tool_calls', message: { content: 'Well. ' } })
    const [call] = choices[0]!.message.tool_calls
    expect(call!.function.name).toBe('weather')
    expect(call!.function.arguments).toMatch(/^\{"city":"(Bern|Rome)"\}$/)
    await service[Symbol.asyncDispose]()
  })

  it('hold forced calls to references within their own schema', async () => {
    const parameters = {
      type: 'object',
      properties: { name: { type: 'boolean' }, same: { $ref: '#/properties/name' }, kind: { $ref: '#/$defs/kind' } },
      required: ['name', 'same', 'kind'],
      additionalProperties: false,
      $defs: { kind: { enum: ['a', 'b'] } },
    }
    const tools = ['first', 'second'].map((name) => ({ type: 'function', function: { name, parameters } }))
    const { service } = serviceFor({ grammars: 'real', contextLength: 4096 })
    for (let seed = 0; seed < 4; seed++) {
      const { choices } = await json(service, '/v1/chat/completions', { messages, tools, tool_choice: 'required', seed })
      const { name, arguments: given } = choices[0]!.message.tool_calls[0]!.function
      expect(['first', 'second']).toContain(name)
      expect(JSON.parse(given)).toEqual({
        name: expect.any(Boolean),
        same: expect.any(Boolean),
        kind: expect.stringMatching(/^[ab]$/),
      })
    }
    const cut = await json(service, '/v1/chat/completions', { messages, tools, tool_choice: 'required', max_tokens: 40 })
    expect(cut.choices[0]).toMatchObject({ finish_reason: 'length', message: { content: null } })
    expect(cut.choices[0]!.message.tool_calls[0]!.function.arguments).toMatch(/^\{/)
    await service[Symbol.asyncDispose]()
  })

  it('refuse choices that fit nothing', async () => {
    const { service } = serviceFor()
    const wrong: object[] = [
      { tool_choice: 'required' },
      { tools: [weather], tool_choice: { type: 'function', function: { name: 'other' } } },
      { tools: [weather, weather] },
      { tools: [{ type: 'function', function: { name: 'a b' } }] },
      { tools: [weather], response_format: { type: 'json_object' } },
      { parallel_tool_calls: true },
    ]
    for (const body of wrong)
      expect(await refusal(service, '/v1/chat/completions', { messages, ...body })).toMatchObject({ status: 422 })
  })
})

describe('completions', () => {
  it('of several prompts come in their order', async () => {
    const { service } = serviceFor({ says: (read) => read.toUpperCase().replace('|', '!') })
    const { choices } = await json(service, '/v1/completions', { prompt: ['ab|', 'cd|'], n: 2 })
    expect(choices.map(({ text }) => text)).toEqual(['AB!', 'AB!', 'CD!', 'CD!'])
    expect(choices.map(({ index }) => index)).toEqual([0, 1, 2, 3])
  })

  it('of ids are those of their text', async () => {
    const { service } = serviceFor()
    const body = { max_tokens: 9, seed: 4 }
    const text = await json(service, '/v1/completions', { ...body, prompt: 'ab' })
    const ids = await json(service, '/v1/completions', { ...body, prompt: [256, 97, 98] })
    expect(ids.choices[0]!.text).toBe(text.choices[0]!.text)
  })

  it('echo the prompt with its log-probabilities, as /v1/score gives them', async () => {
    const { service } = serviceFor()
    const echo = await json(service, '/v1/completions', { prompt: 'abc', echo: true, logprobs: 2, max_tokens: 0 })
    const { token_logprobs, top_logprobs, tokens, text_offset } = echo.choices[0]!.logprobs
    expect(echo.choices[0]!.text).toBe('abc')
    expect(tokens).toEqual(['', 'a', 'b', 'c'])
    expect(text_offset).toEqual([0, 0, 1, 2])
    expect(token_logprobs[0]).toBeNull()
    expect(Object.keys(top_logprobs[1]!).length).toBeGreaterThan(0)
    const scored = await json(service, '/v1/score', { input: 'abc' })
    expect(scored.data[0]!.logprob).toBeCloseTo(
      token_logprobs.slice(1).reduce((a, b) => a + b),
      9,
    )
    expect(scored.data[0]).toMatchObject({ tokens: 3, bytes: 3 })
  })

  it('generated are as likely as their score says', async () => {
    const { service } = serviceFor()
    const { choices } = await json(service, '/v1/completions', {
      prompt: [256, 97],
      seed: 2,
      max_tokens: 6,
      logprobs: 0,
      logit_bias: bias(),
    })
    const { tokens, token_logprobs } = choices[0]!.logprobs
    const { data } = await json(service, '/v1/score', { input: { prompt: 'a', continuation: tokens.join('') } })
    expect(data[0]!.logprob).toBeCloseTo(
      token_logprobs.reduce((a, b) => a + b),
      9,
    )
  })

  it('are cut as the whole is, where a continuation is scored', async () => {
    const { service } = serviceFor()
    const whole = await json(service, '/v1/completions', { prompt: 'ab cd', echo: true, logprobs: 0, max_tokens: 0 })
    const { data } = await json(service, '/v1/score', { input: { prompt: 'ab', continuation: ' cd' } })
    const expected = whole.choices[0]!.logprobs.token_logprobs.slice(3).reduce((a, b) => a + b)
    expect(data[0]!.logprob).toBeCloseTo(expected, 9)
  })

  it('too long for any context are refused before they are cut into tokens', async () => {
    const { service, source } = serviceFor({ contextLength: 64 })
    await service.warmUp()
    const encode = source.last!.tokenizer.encode
    source.last!.tokenizer.encode = () => {
      throw new Error('cut into tokens')
    }
    const long = 'a'.repeat(100)
    const asked: [string, object][] = [
      ['/v1/completions', { prompt: long }],
      ['/v1/chat/completions', { messages: [{ role: 'user', content: long }] }],
      ['/v1/embeddings', { input: ['a', long].slice(1) }],
      ['/v1/score', { input: long }],
    ]
    for (const [path, body] of asked) expect(await refusal(service, path, body), path).toMatchObject({ status: 413 })
    source.last!.tokenizer.encode = encode
  })

  it('refuse what does nothing or cannot be', async () => {
    const { service } = serviceFor()
    const wrong: [object, string][] = [
      [{ prompt: 'a', best_of: 3 }, 'best_of'],
      [{ prompt: 'a', max_tokens: 0 }, 'max_tokens'],
      [{ prompt: 'a', echo: true, stream: true }, 'echo'],
      [{ prompt: 'a', stream_options: { include_usage: true } }, 'stream_options'],
      [{ prompt: 'a', suffix: 'b' }, 'suffix'],
      [{ prompt: [] }, 'prompt'],
      [{ prompt: 'a', regex: 'a', choices: ['b'] }, 'choices'],
      [{ prompt: 'a', top_p: 1.5 }, 'top_p'],
      [{ prompt: 'a', seed: 0.5 }, 'seed'],
      [{ prompt: 'a', temperature: Number.NaN }, 'temperature'],
      [{ prompt: 'a', n: '2' }, 'n'],
      [{ prompt: 'a', stop: [''] }, 'stop'],
    ]
    for (const [body, param] of wrong)
      expect(await refusal(service, '/v1/completions', body), param).toMatchObject({ status: 422, param })
  })
})

/** Letters only, so that a token is a character. */
function bias(): Record<string, number> {
  const others = Array.from({ length: 258 }, (_, id) => id).filter((id) => id < 97 || id > 122)
  return Object.fromEntries(others.map((id) => [String(id), -100]))
}

describe('responses', () => {
  it('say what chat completions say', async () => {
    const { service } = serviceFor({ says: hello })
    const body = await json(service, '/v1/responses', { input: 'Hello', instructions: 'Be short.' })
    expect(body).toMatchObject({ object: 'response', status: 'completed', store: false })
    expect(body.output[0]!.content[0]!).toMatchObject({ type: 'output_text', text: 'Hi there!' })
    const cut = await json(service, '/v1/responses', { input: messages, max_output_tokens: 2 })
    expect(cut.output[0]).toMatchObject({ status: 'incomplete' })
    expect(cut).toMatchObject({ status: 'incomplete', incomplete_details: { reason: 'max_output_tokens' } })
  })

  it('number their events, and end with the whole', async () => {
    const { service } = serviceFor({ says: hello })
    const all = await events(service, '/v1/responses', { input: 'Hello' })
    expect(all.map(({ sequence_number }) => sequence_number)).toEqual(all.map((_, i) => i))
    const types = all.map(({ type }) => type).filter((type) => type !== 'response.output_text.delta')
    expect(types).toEqual([
      'response.created',
      'response.in_progress',
      'response.output_item.added',
      'response.content_part.added',
      'response.output_text.done',
      'response.content_part.done',
      'response.output_item.done',
      'response.completed',
    ])
    const deltas = all.filter(({ type }) => type === 'response.output_text.delta').map(({ delta }) => delta)
    expect(deltas.join('')).toBe('Hi there!')
    expect(all.at(-1)!.response.output[0]!.content[0]!.text).toBe('Hi there!')
  })

  it('go on from calls and their results', async () => {
    const template =
      '{% for m in messages %}{{ m.role }}: {{ m.content }}{% if m.tool_calls %}{{ m.tool_calls | tojson }}{% endif %}\n{% endfor %}assistant: '
    const { service } = serviceFor({ says: (read) => read.replaceAll('assistant: ', 'I: '), template })
    const { output } = await json(service, '/v1/responses', {
      input: [
        { role: 'user', content: 'time?' },
        { type: 'function_call', call_id: 'c1', name: 'clock', arguments: '{"zone": "UTC"}' },
        { type: 'function_call_output', call_id: 'c1', output: 'noon' },
      ],
    })
    const said = output[0]!.content[0]!.text
    expect(said).toContain('"zone": "UTC"')
    expect(said).toContain('tool: noon')
  })

  it('refuse what is not kept', async () => {
    const { service } = serviceFor()
    for (const body of [
      { input: 'a', store: true },
      { input: 'a', previous_response_id: 'resp_1' },
      { input: [{ role: 'user', content: [{ type: 'input_image' }] }] },
    ])
      expect(await refusal(service, '/v1/responses', body)).toMatchObject({ status: 422 })
  })
})

describe('limits', () => {
  it('hold, and name themselves', async () => {
    const { service } = serviceFor({
      limits: { promptTokens: 8, stops: 1, choices: 2, messages: 1, inputs: 2, topLogProbs: 1, answerTokens: 5 },
    })
    const long = { prompt: 'abcdefghijkl' }
    expect(await refusal(service, '/v1/completions', long)).toMatchObject({ status: 413, code: 'context_length_exceeded' })
    const tooMuch: [string, object][] = [
      ['/v1/completions', { prompt: 'a', stop: ['a', 'b'] }],
      ['/v1/completions', { prompt: 'a', n: 3 }],
      ['/v1/completions', { prompt: 'a', logprobs: 2 }],
      ['/v1/completions', { prompt: 'a', max_tokens: 6 }],
      ['/v1/completions', { prompt: ['a', 'b', 'c'] }],
      ['/v1/chat/completions', { messages: [...messages, ...messages] }],
      ['/v1/embeddings', { input: ['a', 'b', 'c'] }],
    ]
    const never = { prompt: ['a', 'b'], n: 2 }
    const narrow = serviceFor({ limits: { runningRows: 1, queuedRequests: 2 } }).service
    expect(await refusal(narrow, '/v1/completions', never)).toMatchObject({ status: 413, param: 'n' })
    for (const [path, body] of tooMuch) expect(await refusal(service, path, body)).toMatchObject({ status: 422 })
    expect((await json(service, '/v1/completions', { prompt: 'a' })).usage.completion_tokens).toBeLessThanOrEqual(5)
  })

  it('bound what is cut into tokens, whoever asks for it', async () => {
    const { service } = serviceFor({ limits: { promptCharacters: 10 } })
    const long = 'a'.repeat(11)
    expect(await refusal(service, '/tokenize', { prompt: long })).toMatchObject({ status: 413, param: 'prompt' })
    const said = { messages: [{ role: 'user', content: long }] }
    expect(await refusal(service, '/tokenize', said)).toMatchObject({ status: 413, param: 'messages' })
    expect(await refusal(service, '/v1/responses', { input: long })).toMatchObject({ status: 413, param: 'messages' })
  })

  it('refuse what finds the line full, streams too, before anything is said', async () => {
    const { service, source } = serviceFor({ delay: 2, limits: { runningRows: 1, queuedRequests: 1 } })
    const body = { prompt: 'a', max_tokens: 20, model: 'stub', stream: true }
    const [first, second] = await Promise.all([service.answer('/v1/completions', body), service.answer('/v1/completions', body)])
    const full = await refusal(service, '/v1/completions', { prompt: 'a', stream: true })
    expect(full).toMatchObject({ status: 429, code: 'overloaded', retryAfter: 1 })
    for (const answer of [first, second]) if (answer.kind === 'events') await answer.events.return()
    expect(source.last!.stepper.openStates).toBe(0)
    expect(service.models()[0]!.users).toBe(0)
  })

  it('end what takes too long', async () => {
    const { service, source } = serviceFor({ delay: 30, limits: { firstTokenTime: 10 } })
    expect(await refusal(service, '/v1/completions', { prompt: 'a' })).toMatchObject({ status: 504, code: 'deadline_exceeded' })
    expect(source.last!.stepper.openStates).toBe(0)
  })
})

describe('leaving', () => {
  const long = { model: 'stub', prompt: 'a', max_tokens: 400 }

  it.each([true, false])('frees everything at an abort (stream: %s)', async (stream) => {
    const { service, source } = serviceFor({ delay: 1 })
    const controller = new AbortController()
    const answering = service.answer('/v1/completions', { ...long, stream }, { signal: controller.signal })
    setTimeout(() => controller.abort(new Error('gone')), 10)
    const outcome = await answering
      .then(async (answer) => {
        if (answer.kind === 'events') for await (const _ of answer.events) void _
      })
      .catch((error: unknown) => error)
    expect(outcome).toBeInstanceOf(Error)
    await service.drain()
    expect(source.last!.stepper.openStates).toBe(0)
    expect(service.models()[0]!.users).toBe(0)
    expect(service.check()).toEqual([])
  })

  it('frees a stream that was never begun', async () => {
    const { service, source } = serviceFor({ delay: 1 })
    const controller = new AbortController()
    await service.answer('/v1/completions', { ...long, stream: true }, { signal: controller.signal })
    controller.abort()
    await service.drain()
    expect(service.models()[0]!.users).toBe(0)
    const { now } = source.last!.engine.stats()
    expect(now.running + now.waiting).toBe(0)
    expect(source.last!.stepper.openStates).toBe(0)
  })

  it('frees all answers when one is left', async () => {
    const { service, source } = serviceFor({ delay: 1 })
    const answer = await service.answer('/v1/completions', { ...long, stream: true, n: 4 })
    if (answer.kind !== 'events') throw new Error('no stream')
    for await (const _ of answer.events) break
    expect(source.last!.stepper.openStates).toBe(0)
    expect(service.models()[0]!.users).toBe(0)
  })
})

describe('states', () => {
  it('is ready once it was warmed up, until it drains', async () => {
    const { service } = serviceFor()
    expect(service.ready).toBe(false)
    await service.warmUp()
    expect(service.ready).toBe(true)
    const running = json(service, '/v1/completions', { prompt: 'a', max_tokens: 3 })
    await new Promise((resolve) => setImmediate(resolve))
    const drained = service.drain()
    expect(service.ready).toBe(false)
    expect(await refusal(service, '/v1/completions', { prompt: 'a' })).toMatchObject({ status: 503, code: 'draining' })
    expect((await running).usage.completion_tokens).toBeGreaterThan(0)
    await drained
  })

  it('answers 503 while it loads what it begins with', async () => {
    const { service, source } = serviceFor()
    const open = source.open.bind(source)
    let goOn: () => void = () => undefined
    const gate = new Promise<void>((resolve) => {
      goOn = resolve
    })
    source.open = async (signal) => {
      await gate
      return open(signal)
    }
    const warming = service.warmUp()
    expect(await refusal(service, '/v1/completions', { prompt: 'a' })).toMatchObject({
      status: 503,
      code: 'loading',
      retryAfter: 2,
    })
    expect((await json(service, '/v1/models', {})).data).toHaveLength(1)
    goOn()
    await warming
    expect((await json(service, '/v1/completions', { prompt: 'a', max_tokens: 1 })).choices).toHaveLength(1)
  })

  it('tells the observer of every request, once', async () => {
    const ends: [Outcome, string | undefined][] = []
    const counts: object[] = []
    let tokens = 0
    const request: RequestObserver = {
      model: () => undefined,
      firstToken: () => void tokens++,
      nextToken: () => void tokens++,
      tokens: (given) => void counts.push(given),
      end: (outcome, code) => void ends.push([outcome, code]),
    }
    const { service } = serviceFor({}, { begin: () => request })
    await json(service, '/v1/completions', { prompt: 'a', max_tokens: 3, seed: 1 })
    await refusal(service, '/v1/completions', { prompt: 'a', n: 0 })
    const answer = await service.answer('/v1/completions', { model: 'stub', prompt: 'a', stream: true })
    if (answer.kind === 'events') for await (const _ of answer.events) break
    expect(ends).toEqual([
      ['finished', undefined],
      ['refused', 'invalid_value'],
      ['aborted', undefined],
    ])
    expect(counts).toHaveLength(2)
    expect(tokens).toBeGreaterThanOrEqual(4)
  })

  it('keeps callers apart in what is shared', async () => {
    const { service, source } = serviceFor()
    await service.warmUp()
    const salts: (string | undefined)[] = []
    const generate = source.last!.engine.generate.bind(source.last!.engine)
    source.last!.engine.generate = (prompt, options) => {
      salts.push(options?.salt)
      return generate(prompt, options)
    }
    const ask = (caller: string, user?: string) =>
      service.answer('/v1/completions', { model: 'stub', prompt: 'a', max_tokens: 1, ...(user && { user }) }, { caller })
    await ask('a')
    await ask('b')
    await ask('a', 'x')
    await ask('a","x')
    expect(new Set(salts).size).toBe(4)
  })
})
