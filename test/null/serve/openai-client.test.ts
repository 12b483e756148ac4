import OpenAI, { APIUserAbortError, AuthenticationError, NotFoundError, RateLimitError, UnprocessableEntityError } from 'openai'
import { afterEach, describe, expect, it } from 'vitest'
import { hashKey, openServer, type Server } from '../../../src/serve/index.ts'
import { serveLimits } from '../../../src/serve/limits.ts'
import { serviceOf } from '../../../src/serve/open-service.ts'
import { type StubHost, type StubModel, stubSource } from './stub-text-host.ts'

const key = 'nextx-key-of-the-test'
const open: Server[] = []

afterEach(async () => {
  for (const server of open.splice(0)) await server[Symbol.asyncDispose]()
})

interface Setup {
  readonly client: OpenAI
  readonly server: Server
  readonly host: () => StubHost
}

async function setUp(model: StubModel = {}): Promise<Setup> {
  const source = stubSource(model)
  const limits = serveLimits(model.limits)
  const service = serviceOf([source], { limits, memoryBytes: 10_000, preload: [source.name] })
  await service.warmUp()
  const server = await openServer(service, { port: 0, limits, keys: { test: hashKey(key) }, processMetrics: false })
  open.push(server)
  return {
    client: new OpenAI({ baseURL: `${server.url}/v1`, apiKey: key, maxRetries: 0 }),
    server,
    host: () => source.last!,
  }
}

const messages = [{ role: 'user', content: 'Hello' }] as const
const hello = () => 'Hi there!'
const ask = { model: 'stub', messages: [...messages] }

/** What nobody uses any more is free before the next request is answered. */
async function untilFree({ host, server }: Setup): Promise<void> {
  while (host().stepper.openStates > 0 || server.load().requests > 0) await new Promise((resolve) => setTimeout(resolve, 1))
}

describe('the openai client', () => {
  it('lists models, and finds one', async () => {
    const { client } = await setUp()
    const names: string[] = []
    for await (const { id } of client.models.list()) names.push(id)
    expect(names).toEqual(['stub'])
    expect((await client.models.retrieve('stub')).owned_by).toBe('nextx')
    await expect(client.models.retrieve('other')).rejects.toThrow(NotFoundError)
  })

  it('gets chat completions, whole and streamed', async () => {
    const { client } = await setUp({ says: hello })
    const whole = await client.chat.completions.create(ask)
    expect(whole.choices[0]!.message.content).toBe('Hi there!')
    const stream = await client.chat.completions.create({ ...ask, stream: true, stream_options: { include_usage: true } })
    let text = ''
    let usage: OpenAI.CompletionUsage | null | undefined
    for await (const chunk of stream) {
      text += chunk.choices[0]?.delta.content ?? ''
      usage = chunk.usage ?? usage
    }
    expect(text).toBe('Hi there!')
    expect(usage).toEqual(whole.usage)
  })

  it('accumulates a stream by its own helper', async () => {
    const { client } = await setUp({ says: hello })
    const final = await client.chat.completions.stream({ ...ask, n: 2 }).finalChatCompletion()
    expect(final.choices.map(({ message }) => message.content)).toEqual(['Hi there!', 'Hi there!'])
  })

  it('gets log-probabilities, several answers, stops and seeds', async () => {
    const { client } = await setUp()
    const body = { ...ask, n: 2, seed: 7, max_completion_tokens: 6, logprobs: true, top_logprobs: 2, temperature: 0.9, top_p: 0.95 }
    const [first, second] = [await client.chat.completions.create(body), await client.chat.completions.create(body)]
    expect(first.choices).toEqual(second.choices)
    expect(first.choices[1]!.logprobs!.content![0]!.top_logprobs).toHaveLength(2)
  })

  it('gets calls of tools within text', async () => {
    const call = '<tool_call>\n{"name": "weather", "arguments": {"city": "Bern"}}\n</tool_call>'
    const { client } = await setUp({ says: () => `Let me see. ${call}`, grammars: 'anything' })
    const tools = [{ type: 'function' as const, function: { name: 'weather', parameters: { type: 'object' } } }]
    const whole = await client.chat.completions.create({ ...ask, tools })
    const [choice] = whole.choices
    expect(choice!.finish_reason).toBe('tool_calls')
    expect(choice!.message.content).toBe('Let me see. ')
    expect(choice!.message.tool_calls).toMatchObject([
      { type: 'function', function: { name: 'weather', arguments: '{"city":"Bern"}' } },
    ])
    const streamed = await client.chat.completions.stream({ ...ask, tools }).finalChatCompletion()
    const [same] = streamed.choices[0]!.message.tool_calls!
    expect(same?.type === 'function' && same.function.arguments).toBe('{"city":"Bern"}')
    const response = await client.responses.create({
      model: 'stub',
      input: 'Hello',
      store: false,
      tools: [{ type: 'function', name: 'weather', parameters: { type: 'object' }, strict: true }],
    })
    expect(response.output.map(({ type }) => type)).toEqual(['message', 'function_call'])
  })

  it('gets completions of the older kind', async () => {
    const { client } = await setUp()
    const body = { model: 'stub', prompt: ['ab', 'cd'], max_tokens: 4, seed: 1, logprobs: 1, echo: true }
    const { choices, usage } = await client.completions.create(body)
    expect(choices).toHaveLength(2)
    expect(choices[0]!.text.startsWith('ab')).toBe(true)
    expect(usage!.prompt_tokens).toBe(6)
    let text = ''
    for await (const chunk of await client.completions.create({
      model: 'stub',
      prompt: 'ab',
      max_tokens: 4,
      seed: 1,
      stream: true,
    }))
      text += chunk.choices[0]?.text ?? ''
    const whole = await client.completions.create({ model: 'stub', prompt: 'ab', max_tokens: 4, seed: 1 })
    expect(text).toBe(whole.choices[0]!.text)
  })

  it('gets responses, whole and streamed', async () => {
    const { client } = await setUp({ says: hello })
    const whole = await client.responses.create({ model: 'stub', input: 'Hello', store: false })
    expect(whole.output_text).toBe('Hi there!')
    const stream = client.responses.stream({ model: 'stub', input: 'Hello', store: false })
    let text = ''
    for await (const event of stream) if (event.type === 'response.output_text.delta') text += event.delta
    expect(text).toBe('Hi there!')
    expect((await stream.finalResponse()).output_text).toBe('Hi there!')
  })

  it('gets embeddings, whose encoding it chooses itself', async () => {
    const { client } = await setUp()
    const { data, usage } = await client.embeddings.create({ model: 'stub', input: ['ab', 'cd'] })
    const plain = await client.embeddings.create({ model: 'stub', input: ['ab', 'cd'], encoding_format: 'float' })
    for (const [i, { embedding }] of data.entries()) {
      expect(Math.hypot(...embedding)).toBeCloseTo(1, 5)
      for (const [j, value] of embedding.entries()) expect(value).toBeCloseTo(plain.data[i]!.embedding[j]!, 6)
    }
    expect(usage.prompt_tokens).toBe(6)
  })

  it('is told what is wrong by errors of its own', async () => {
    const { client, server } = await setUp({ delay: 5, limits: { runningRows: 1, queuedRequests: 0 } })
    const stranger = new OpenAI({ baseURL: `${server.url}/v1`, apiKey: 'wrong', maxRetries: 0 })
    await expect(stranger.models.list()).rejects.toThrow(AuthenticationError)
    await expect(client.chat.completions.create({ ...ask, model: 'other' })).rejects.toThrow(NotFoundError)
    const odd = await client.chat.completions.create({ ...ask, temperature: 9 }).catch((error: unknown) => error)
    expect(odd).toBeInstanceOf(UnprocessableEntityError)
    expect(odd).toMatchObject({ param: 'temperature', code: 'invalid_value', type: 'invalid_request_error' })
    const running = client.chat.completions.create({ ...ask, max_tokens: 20 })
    await new Promise((resolve) => setTimeout(resolve, 10))
    const busy = await client.chat.completions.create(ask).catch((error: unknown) => error)
    expect(busy).toBeInstanceOf(RateLimitError)
    expect((busy as RateLimitError).headers.get('retry-after')).toBe('1')
    await running
  })

  it('is told of prompts and tokens that the model cannot take, with the metrics on', async () => {
    const { client } = await setUp({ contextLength: 64 })
    const wrong: [object, number][] = [
      [{ prompt: 'a'.repeat(64) }, 413],
      [{ prompt: 'a'.repeat(1000) }, 413],
      [{ prompt: [99_999] }, 422],
      [{ prompt: 'a', logit_bias: { 50256: -100 } }, 422],
    ]
    for (const [body, status] of wrong)
      await expect(
        client.completions.create({ model: 'stub', ...body } as never),
        JSON.stringify(body).slice(0, 60),
      ).rejects.toMatchObject({ status })
  })

  it('asks again after a refusal, as it was told', async () => {
    const { client } = await setUp({ delay: 5, limits: { runningRows: 1, queuedRequests: 0 } })
    const running = client.chat.completions.create({ ...ask, max_tokens: 20 })
    await new Promise((resolve) => setTimeout(resolve, 10))
    const patient = await client.chat.completions.create({ ...ask, max_tokens: 1 }, { maxRetries: 3 })
    expect(patient.choices).toHaveLength(1)
    await running
  })

  it('frees rows when it aborts, whole and streamed, and when it leaves a loop', async () => {
    const setup = await setUp({ delay: 2 })
    const { client, host } = setup
    const long = { ...ask, max_tokens: 400 }
    const controller = new AbortController()
    const whole = client.chat.completions.create(long, { signal: controller.signal })
    setTimeout(() => controller.abort(), 20)
    await expect(whole).rejects.toThrow(APIUserAbortError)
    await untilFree(setup)
    for await (const _ of await client.chat.completions.create({ ...long, stream: true })) break
    await untilFree(setup)
    const stream = await client.responses.create({ model: 'stub', input: 'Hello', store: false, stream: true })
    for await (const event of stream) if (event.type === 'response.output_text.delta') break
    await untilFree(setup)
    expect(host().engine.stats().cancelled).toBe(3)
    expect(host().engine.check()).toEqual([])
  })

  it('is told which prompts begin alike', async () => {
    const { client } = await setUp()
    const keyOf = async (given: OpenAI.ChatCompletionMessageParam[]) => {
      const { response } = await client.chat.completions.create({ model: 'stub', messages: given, max_tokens: 1 }).withResponse()
      return response.headers.get('x-nextx-prefix')
    }
    const first = await keyOf([...messages])
    expect(first).toMatch(/^[0-9a-f]{16}$/)
    expect(await keyOf([...messages, { role: 'assistant', content: 'a' }, { role: 'user', content: 'b' }])).toBe(first)
    expect(await keyOf([{ role: 'user', content: 'Other' }])).not.toBe(first)
  })
})
