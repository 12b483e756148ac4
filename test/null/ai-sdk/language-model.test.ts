import { APICallError, InvalidArgumentError, NoSuchModelError, UnsupportedFunctionalityError } from '@ai-sdk/provider'
import { generateObject, generateText, jsonSchema, Output, stepCountIs, streamText, tool } from 'ai'
import { describe, expect, test } from 'vitest'
import { z } from 'zod'
import { createNextx } from '../../../src/ai-sdk/index.ts'
import { ApiError } from '../../../src/serve/api-error.ts'
import { busy, openAiStub, type Turn } from './openai-stub.ts'

globalThis.AI_SDK_LOG_WARNINGS = false

function open(...turns: Turn[]) {
  const service = openAiStub(turns)
  return { service, nextx: createNextx({ service }), bodies: () => service.requests.map(({ body }) => body) }
}

const failureOf = (work: PromiseLike<unknown>): Promise<unknown> =>
  Promise.resolve(work).then(
    () => undefined,
    (error: unknown) => error,
  )

describe('generateText', () => {
  test('every setting has its field; the answer, its reason and its tokens come back', async () => {
    const { nextx, service } = open({ text: ['Hello ', 'there'], finish: 'length' })
    const result = await generateText({
      model: nextx('chatty'),
      system: 'Be brief.',
      messages: [
        {
          role: 'user',
          content: [
            { type: 'text', text: 'Hi' },
            { type: 'text', text: '!' },
          ],
        },
        { role: 'assistant', content: 'Yes?' },
        { role: 'user', content: 'Go on' },
      ],
      maxOutputTokens: 9,
      temperature: 0.5,
      topP: 0.9,
      topK: 40,
      presencePenalty: 0.1,
      frequencyPenalty: 0.2,
      stopSequences: ['\n'],
      seed: 7,
      providerOptions: {
        nextx: {
          minP: 0.05,
          typicalP: 0.8,
          repetitionPenalty: 1.1,
          noRepeatNgram: 3,
          logitBias: { 5: -100 },
          regex: 'a+',
          user: 'u',
          priority: 1,
        },
        other: { anything: 1 },
      },
    })
    expect(service.requests).toMatchObject([{ path: '/v1/chat/completions', options: { caller: '' } }])
    expect(service.requests[0]!.body).toEqual({
      model: 'chatty',
      messages: [
        { role: 'system', content: 'Be brief.' },
        { role: 'user', content: 'Hi!' },
        { role: 'assistant', content: 'Yes?' },
        { role: 'user', content: 'Go on' },
      ],
      max_completion_tokens: 9,
      temperature: 0.5,
      top_p: 0.9,
      top_k: 40,
      presence_penalty: 0.1,
      frequency_penalty: 0.2,
      stop: ['\n'],
      seed: 7,
      min_p: 0.05,
      typical_p: 0.8,
      repetition_penalty: 1.1,
      no_repeat_ngram: 3,
      logit_bias: { 5: -100 },
      regex: 'a+',
      user: 'u',
      priority: 1,
    })
    expect(result).toMatchObject({ text: 'Hello there', finishReason: 'length', rawFinishReason: 'length', warnings: [] })
    expect(result.usage).toMatchObject({ inputTokens: 20, outputTokens: 5, totalTokens: 25, cachedInputTokens: 8 })
    expect(result.usage.inputTokenDetails).toMatchObject({ cacheReadTokens: 8, noCacheTokens: 12 })
    expect(result.response).toMatchObject({ id: 'chatcmpl-1', modelId: 'chatty', timestamp: new Date(1_700_000_000_000) })
  })

  test('tools run between steps, and their results go back to the model', async () => {
    const call = { id: 'call_1', name: 'weather', arguments: '{"city":"Bern"}' }
    const { nextx, bodies } = open({ text: ['Let me see.'], calls: [call] }, { text: ['Sunny in Bern'] })
    const weather = tool({
      description: 'of a city',
      inputSchema: z.object({ city: z.string() }),
      strict: true,
      execute: async ({ city }) => ({ city, sky: 'sunny' }),
    })
    const result = await generateText({
      model: nextx.chat('chatty'),
      prompt: 'Weather?',
      tools: { weather },
      toolChoice: 'auto',
      stopWhen: stepCountIs(3),
    })
    expect(result.text).toBe('Sunny in Bern')
    expect(result.steps.map(({ finishReason }) => finishReason)).toEqual(['tool-calls', 'stop'])
    expect(bodies()[0]).toMatchObject({
      tools: [
        {
          type: 'function',
          function: { name: 'weather', description: 'of a city', strict: true, parameters: { required: ['city'] } },
        },
      ],
      tool_choice: 'auto',
    })
    expect(bodies()[1]!.messages).toEqual([
      { role: 'user', content: 'Weather?' },
      {
        role: 'assistant',
        content: 'Let me see.',
        tool_calls: [{ id: 'call_1', type: 'function', function: { name: 'weather', arguments: '{"city":"Bern"}' } }],
      },
      { role: 'tool', tool_call_id: 'call_1', content: '{"city":"Bern","sky":"sunny"}' },
    ])
  })

  test('a tool that fails, and one that is named', async () => {
    const call = { id: 'call_1', name: 'broken', arguments: '{}' }
    const { nextx, bodies } = open({ calls: [call] }, { calls: [{ ...call, id: 'call_2' }] })
    const broken = tool({
      inputSchema: jsonSchema<object>({ type: 'object' }),
      execute: async (): Promise<string> => {
        throw new Error('out of order')
      },
    })
    const choice = { type: 'tool', toolName: 'broken' } as const
    await generateText({ model: nextx('chatty'), prompt: 'a', tools: { broken }, toolChoice: choice, stopWhen: stepCountIs(2) })
    expect(bodies()[0]).toMatchObject({ tool_choice: { type: 'function', function: { name: 'broken' } } })
    expect(bodies()[1]!.messages).toMatchObject([
      {},
      { role: 'assistant', content: null },
      { role: 'tool', content: expect.stringContaining('out of order') },
    ])
  })

  test('objects: generateObject and Output.object ask for a schema', async () => {
    const schema = z.object({ name: z.string(), age: z.number() })
    const { nextx, bodies } = open({ text: ['{"name":"Ada","age":36}'] }, { text: ['{"name":"Ada","age":36}'] })
    const made = await generateObject({ model: nextx('chatty'), schema, schemaName: 'a person', prompt: 'Who?' })
    expect(made.object).toEqual({ name: 'Ada', age: 36 })
    const { output } = await generateText({ model: nextx('chatty'), output: Output.object({ schema }), prompt: 'Who?' })
    expect(output).toEqual({ name: 'Ada', age: 36 })
    const wanted = { type: 'json_schema', json_schema: { strict: true, schema: { type: 'object', required: ['name', 'age'] } } }
    expect(bodies()).toMatchObject([{ response_format: wanted }, { response_format: wanted }])
    expect(bodies()[0]).toMatchObject({ response_format: { json_schema: { name: 'a_person' } } })
  })

  test('an object without a schema', async () => {
    const { nextx, bodies } = open({ text: ['{"a":1}'] })
    expect((await generateObject({ model: nextx('chatty'), output: 'no-schema', prompt: 'a' })).object).toEqual({ a: 1 })
    expect(bodies()[0]).toMatchObject({ response_format: { type: 'json_object' } })
  })

  test('log-probabilities come as metadata', async () => {
    const logprobs = [{ token: 'Hi', logprob: -0.5, bytes: [72, 105], top_logprobs: [] }]
    const { nextx, bodies } = open({ text: ['Hi'], logprobs })
    const providerOptions = { nextx: { logprobs: 2 } }
    const { providerMetadata } = await generateText({ model: nextx('chatty'), prompt: 'a', providerOptions })
    expect(bodies()[0]).toMatchObject({ logprobs: true, top_logprobs: 2 })
    expect(providerMetadata).toEqual({ nextx: { logprobs } })
  })

  test('what is ignored is said', async () => {
    const { nextx } = open({ text: ['a'] })
    const result = await generateText({
      model: nextx('chatty'),
      headers: { 'x-trace': '1' },
      tools: { search: { type: 'provider', id: 'openai.web_search', args: {}, inputSchema: z.object({}) } },
      messages: [
        { role: 'user', content: 'a' },
        {
          role: 'assistant',
          content: [
            { type: 'reasoning', text: 'hm' },
            { type: 'text', text: 'b' },
          ],
        },
        { role: 'user', content: 'c' },
      ],
    })
    expect(result.warnings).toMatchObject([
      { type: 'unsupported', feature: 'headers', details: expect.stringContaining('x-trace') },
      { type: 'unsupported', feature: 'provider-defined tool openai.web_search' },
      { type: 'unsupported', feature: 'reasoning in prompts' },
    ])
  })

  test('pictures and files are refused, and nothing is fetched for them', async () => {
    const { nextx, service } = open()
    const fetched = globalThis.fetch
    let fetches = 0
    globalThis.fetch = (async () => {
      fetches++
      throw new Error('fetched')
    }) as typeof fetch
    try {
      for (const image of [new URL('http://127.0.0.1:9/a.png'), new Uint8Array([0x89, 0x50, 0x4e, 0x47])]) {
        const messages = [{ role: 'user' as const, content: [{ type: 'image' as const, image }] }]
        const failure = await failureOf(generateText({ model: nextx('chatty'), messages }))
        expect(UnsupportedFunctionalityError.isInstance(failure)).toBe(true)
      }
    } finally {
      globalThis.fetch = fetched
    }
    expect({ fetches, requests: service.requests }).toEqual({ fetches: 0, requests: [] })
  })

  test('unknown options of nextx are refused by name', async () => {
    const { nextx, service } = open()
    const failure = await failureOf(
      generateText({ model: nextx('chatty'), prompt: 'a', providerOptions: { nextx: { min_p: 0.1 } } }),
    )
    expect(InvalidArgumentError.isInstance(failure)).toBe(true)
    expect((failure as Error).message).toContain('"min_p"')
    expect(service.requests).toEqual([])
  })
})

describe('errors', () => {
  test('a busy service is asked again by the SDK', async () => {
    const { nextx, service } = open({ error: busy() }, { error: busy() }, { text: ['at last'] })
    expect((await generateText({ model: nextx('chatty'), prompt: 'a' })).text).toBe('at last')
    expect(service.requests.length).toBe(3)
  })

  test('what a request gets wrong is not, and comes with the field', async () => {
    const wrong = new ApiError('temperature: too hot', {
      status: 422,
      type: 'invalid_request_error',
      code: 'invalid_value',
      param: 'temperature',
    })
    const { nextx, service } = open({ error: wrong })
    const failure = await failureOf(generateText({ model: nextx('chatty'), prompt: 'a', temperature: 9 }))
    expect(APICallError.isInstance(failure)).toBe(true)
    expect(failure).toMatchObject({
      message: 'temperature: too hot',
      statusCode: 422,
      isRetryable: false,
      url: 'nextx:/v1/chat/completions',
      requestBodyValues: { temperature: 9 },
      data: { error: { param: 'temperature', code: 'invalid_value' } },
    })
    expect(service.requests.length).toBe(1)
  })

  test('a fault of the service tells nothing of the inside, and is not retried', async () => {
    const { nextx, service } = open({ error: new TypeError('secret') })
    const failure = (await failureOf(generateText({ model: nextx('chatty'), prompt: 'a' }))) as APICallError
    expect(failure).toMatchObject({ statusCode: 500, isRetryable: false })
    expect(failure.message + failure.responseBody).not.toContain('secret')
    expect(service.requests.length).toBe(1)
  })

  test('models that are not there, or of another kind', () => {
    const { nextx } = open()
    for (const ask of [
      () => nextx('none'),
      () => nextx.chat('painter'),
      () => nextx.embeddingModel('painter'),
      () => nextx.imageModel('chatty'),
    ])
      expect(failureIn(ask)).toSatisfy((error) => NoSuchModelError.isInstance(error))
  })

  test('neither a service nor models, or both', () => {
    // @ts-expect-error A provider needs one of them.
    expect(() => createNextx({})).toThrow(/either a service, or models/)
    expect(() => createNextx({ service: openAiStub([]), models: [] })).toThrow(/either a service, or models/)
  })
})

function failureIn(work: () => unknown): unknown {
  try {
    return work()
  } catch (error) {
    return error
  }
}

describe('streamText', () => {
  const partsOf = async (stream: ReadableStream<unknown>): Promise<unknown[]> => {
    const parts: unknown[] = []
    for await (const part of stream as unknown as AsyncIterable<unknown>) parts.push(part)
    return parts
  }

  test("the parts come in the SDK's order", async () => {
    const calls = [
      { id: 'call_1', name: 'add', arguments: '{"a":1,"b":2}' },
      { id: 'call_2', name: 'add', arguments: '{}' },
    ]
    const { nextx, bodies } = open({ text: ['One ', 'moment'], calls })
    const prompt = [{ role: 'user' as const, content: [{ type: 'text' as const, text: 'a' }] }]
    const { stream } = await nextx('chatty').doStream({ prompt, headers: { 'x-a': 'b' } })
    expect(bodies()[0]).toMatchObject({ stream: true, stream_options: { include_usage: true } })
    expect(await partsOf(stream)).toMatchObject([
      { type: 'stream-start', warnings: [{ feature: 'headers' }] },
      { type: 'response-metadata', id: 'chatcmpl-1', modelId: 'chatty' },
      { type: 'text-start', id: 'text' },
      { type: 'text-delta', id: 'text', delta: 'One ' },
      { type: 'text-delta', id: 'text', delta: 'moment' },
      { type: 'text-end', id: 'text' },
      { type: 'tool-input-start', id: 'call_1', toolName: 'add' },
      { type: 'tool-input-delta', id: 'call_1', delta: '{"a":1,' },
      { type: 'tool-input-delta', id: 'call_1', delta: '"b":2}' },
      { type: 'tool-input-end', id: 'call_1' },
      { type: 'tool-call', toolCallId: 'call_1', toolName: 'add', input: '{"a":1,"b":2}' },
      { type: 'tool-input-start', id: 'call_2', toolName: 'add' },
      { type: 'tool-input-delta', id: 'call_2', delta: '{' },
      { type: 'tool-input-delta', id: 'call_2', delta: '}' },
      { type: 'tool-input-end', id: 'call_2' },
      { type: 'tool-call', toolCallId: 'call_2', input: '{}' },
      {
        type: 'finish',
        finishReason: { unified: 'tool-calls', raw: 'tool_calls' },
        usage: { inputTokens: { total: 20, cacheRead: 8 } },
      },
    ])
  })

  test('text, tools and their results, over several steps', async () => {
    const call = { id: 'call_1', name: 'add', arguments: '{"a":1,"b":2}' }
    const { nextx } = open({ calls: [call] }, { text: ['It ', 'is ', '3'] })
    const add = tool({ inputSchema: z.object({ a: z.number(), b: z.number() }), execute: async ({ a, b }) => a + b })
    const result = streamText({ model: nextx('chatty'), prompt: '1+2?', tools: { add }, stopWhen: stepCountIs(2) })
    const pieces: string[] = []
    for await (const piece of result.textStream) pieces.push(piece)
    expect(pieces).toEqual(['It ', 'is ', '3'])
    expect(await result.finishReason).toBe('stop')
    expect((await result.totalUsage).totalTokens).toBe(50)
    expect((await result.steps)[0]!.toolResults).toMatchObject([{ output: 3 }])
  })

  test('raw chunks on demand', async () => {
    const { nextx } = open({ text: ['a'] })
    const result = streamText({ model: nextx('chatty'), prompt: 'a', includeRawChunks: true })
    const kinds: string[] = []
    for await (const { type } of result.fullStream) kinds.push(type)
    expect(kinds.filter((type) => type === 'raw').length).toBe(4)
  })

  test('an abort leaves the request', async () => {
    const { nextx, service } = open({ text: Array.from({ length: 1000 }, (_, i) => `${i} `), delay: 5 })
    const stop = new AbortController()
    let aborted = false
    const result = streamText({
      model: nextx('chatty'),
      prompt: 'a',
      abortSignal: stop.signal,
      onAbort: () => {
        aborted = true
      },
    })
    let pieces = 0
    for await (const _ of result.textStream) if (++pieces === 3) stop.abort()
    expect(aborted).toBe(true)
    expect(pieces).toBeLessThan(10)
    while (service.left === 0) await new Promise((resolve) => setTimeout(resolve, 1))
  })

  test('leaving the stream leaves the request', async () => {
    const { nextx, service } = open({ text: Array.from({ length: 1000 }, (_, i) => `${i} `) })
    const prompt = [{ role: 'user' as const, content: [{ type: 'text' as const, text: 'a' }] }]
    const { stream } = await nextx('chatty').doStream({ prompt })
    const reader = stream.getReader()
    for (let i = 0; i < 5; i++) await reader.read()
    await reader.cancel()
    expect(service.left).toBe(1)
  })

  test('an abort before, and during a request without a stream', async () => {
    const { nextx, service } = open({ text: ['a'], delay: 60_000 })
    const model = nextx('chatty')
    const gone = AbortSignal.abort(new DOMException('gone', 'AbortError'))
    await expect(generateText({ model, prompt: 'a', abortSignal: gone })).rejects.toThrow('gone')
    expect(service.requests.length).toBe(0)
    const stop = new AbortController()
    const running = generateText({ model, prompt: 'a', abortSignal: stop.signal })
    setTimeout(() => stop.abort(), 20)
    await expect(running).rejects.toMatchObject({ name: 'AbortError' })
    expect(service.requests.length).toBe(1)
  })

  test('an error in the midst of an answer is a part of it', async () => {
    const late = new ApiError('took too long', { status: 504, type: 'timeout_error', code: 'deadline_exceeded' })
    const { nextx } = open({ text: ['One ', 'two'], error: late })
    const errors: unknown[] = []
    const result = streamText({ model: nextx('chatty'), prompt: 'a', onError: ({ error }) => void errors.push(error) })
    expect(await result.text).toBe('One two')
    expect(await result.finishReason).toBe('error')
    expect(errors).toMatchObject([{ message: 'took too long', statusCode: 504, isRetryable: false }])
  })
})

describe('completions', () => {
  test('a text is continued, at once and in a stream', async () => {
    const turn = { text: [' upon', ' a time'] }
    const { nextx, service } = open(turn, turn)
    const model = nextx.completionModel('chatty')
    const { text, usage } = await generateText({
      model,
      prompt: 'Once',
      maxOutputTokens: 3,
      providerOptions: { nextx: { minP: 0.1 } },
    })
    expect([text, usage.outputTokens]).toEqual([' upon a time', 5])
    expect(service.requests[0]).toMatchObject({
      path: '/v1/completions',
      body: { model: 'chatty', prompt: 'Once', max_tokens: 3, min_p: 0.1 },
    })
    const streamed = streamText({ model, prompt: 'Once' })
    expect([await streamed.text, await streamed.finishReason]).toEqual([' upon a time', 'stop'])
  })

  test('conversations, tools and schemas are refused', async () => {
    const { nextx } = open()
    const model = nextx.completionModel('chatty')
    const refused = [
      generateText({ model, system: 'a', prompt: 'b' }),
      generateText({ model, prompt: 'b', tools: { t: tool({ inputSchema: z.object({}) }) } }),
      generateObject({ model, prompt: 'b', schema: z.object({}) }),
    ]
    for (const each of refused) expect(UnsupportedFunctionalityError.isInstance(await failureOf(each))).toBe(true)
  })
})
