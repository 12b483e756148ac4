import { generateObject, generateText, stepCountIs, streamText, tool } from 'ai'
import { expect, test } from 'vitest'
import { z } from 'zod'
import { createNextx } from '../../../src/ai-sdk/index.ts'
import { serveLimits } from '../../../src/serve/limits.ts'
import { serviceOf } from '../../../src/serve/open-service.ts'
import { type StubModel, stubSource } from '../serve/stub-text-host.ts'

globalThis.AI_SDK_LOG_WARNINGS = false

// The real endpoints, over a model whose words are known.

async function open(model: StubModel) {
  const source = stubSource({ contextLength: 2048, ...model })
  const service = serviceOf([source], { limits: serveLimits(model.limits), memoryBytes: 10_000, preload: ['stub'] })
  await service.warmUp()
  const untilFree = async () => {
    while (source.last!.stepper.openStates > 0) await new Promise((resolve) => setTimeout(resolve, 1))
  }
  return { nextx: createNextx({ service }), untilFree }
}

const add = tool({
  description: 'a sum',
  inputSchema: z.object({ a: z.number(), b: z.number() }),
  execute: async ({ a, b }) => ({ sum: a + b }),
})

const call = '<tool_call>\n{"name": "add", "arguments": {"a": 1, "b": 2}}\n</tool_call>'

test('a call in the midst of text, its result, and the answer: at once and streamed', async () => {
  const says = (read: string) => (read.includes('"sum":3') ? 'It is 3.' : `Let me see. ${call}`)
  const { nextx, untilFree } = await open({ says, grammars: 'anything' })
  const settings = { model: nextx('stub'), prompt: '1 + 2?', tools: { add }, stopWhen: stepCountIs(3) }
  const { text, steps } = await generateText(settings)
  expect(text).toBe('It is 3.')
  expect(steps.map(({ finishReason }) => finishReason)).toEqual(['tool-calls', 'stop'])
  expect(steps[0]).toMatchObject({ text: 'Let me see. ', toolCalls: [{ toolName: 'add', input: { a: 1, b: 2 } }] })
  const streamed = streamText(settings)
  const kinds = new Set<string>()
  for await (const { type } of streamed.fullStream) kinds.add(type)
  expect(await streamed.text).toBe('It is 3.')
  expect([...kinds]).toEqual(
    expect.arrayContaining(['text-delta', 'tool-input-start', 'tool-input-end', 'tool-call', 'tool-result']),
  )
  expect((await streamed.steps)[0]!.toolCalls).toMatchObject([{ toolName: 'add', input: { a: 1, b: 2 } }])
  await untilFree()
})

test('a forced call, and an object', async () => {
  const says = (read: string) => (read.includes('person') ? '{"name":"Ada"}' : '{"name": "add", "arguments": {"a": 1, "b": 2}}')
  const { nextx } = await open({ says, grammars: 'anything' })
  const forced = await generateText({
    model: nextx('stub'),
    prompt: 'a',
    tools: { add },
    toolChoice: { type: 'tool', toolName: 'add' },
  })
  expect(forced.toolResults).toMatchObject([{ output: { sum: 3 } }])
  const { object } = await generateObject({ model: nextx('stub'), schema: z.object({ name: z.string() }), prompt: 'a person' })
  expect(object).toEqual({ name: 'Ada' })
})

test('every setting and option is one that the endpoint knows', async () => {
  const { nextx } = await open({ says: () => 'abc', grammars: 'anything' })
  const shared = {
    maxOutputTokens: 3,
    temperature: 1,
    topP: 1,
    topK: 300,
    presencePenalty: 0,
    frequencyPenalty: 0,
    stopSequences: ['zz'],
    seed: 1,
  }
  const beyond = { minP: 0, typicalP: 1, repetitionPenalty: 1, noRepeatNgram: 9, logitBias: { 3: -1 }, priority: 2, user: 'u' }
  const chat = await generateText({
    ...shared,
    model: nextx('stub'),
    prompt: 'a',
    providerOptions: { nextx: { ...beyond, logprobs: 1, regex: 'abc' } },
  })
  expect([chat.text, chat.finishReason, chat.warnings]).toEqual(['abc', 'length', []])
  expect(chat.providerMetadata!.nextx!.logprobs).toMatchObject([{ token: 'a' }, { token: 'b' }, { token: 'c' }])
  const completion = await generateText({
    ...shared,
    model: nextx.completionModel('stub'),
    prompt: 'a|',
    providerOptions: { nextx: { ...beyond, choices: ['abc'] } },
  })
  expect(completion.text).toBe('abc')
})

test('an abort, and a stream that is left, free what they had', async () => {
  const { nextx, untilFree } = await open({ says: () => 'x'.repeat(1000), delay: 1 })
  const stop = new AbortController()
  let pieces = 0
  const result = streamText({ model: nextx('stub'), prompt: 'a', abortSignal: stop.signal })
  for await (const _ of result.textStream) if (++pieces === 3) stop.abort()
  await untilFree()
  const prompt = [{ role: 'user' as const, content: [{ type: 'text' as const, text: 'a' }] }]
  const { stream } = await nextx('stub').doStream({ prompt })
  const reader = stream.getReader()
  for (let i = 0; i < 6; i++) await reader.read()
  await reader.cancel()
  await untilFree()
  const late = new AbortController()
  const running = generateText({ model: nextx('stub'), prompt: 'a', abortSignal: late.signal })
  setTimeout(() => late.abort(), 20)
  await expect(running).rejects.toMatchObject({ name: 'AbortError' })
  await untilFree()
})

test('what the service refuses says the field, and is not tried again', async () => {
  const { nextx } = await open({ says: () => 'a' })
  const settings = { model: nextx('stub'), prompt: 'a' }
  await expect(generateText({ ...settings, temperature: 3 })).rejects.toMatchObject({
    statusCode: 422,
    isRetryable: false,
    data: { error: { param: 'temperature' } },
  })
  await expect(generateText({ ...settings, prompt: 'a'.repeat(5000) })).rejects.toMatchObject({
    statusCode: 413,
    isRetryable: false,
  })
})
