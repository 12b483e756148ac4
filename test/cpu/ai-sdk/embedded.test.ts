import { embed, generateImage, generateObject, generateText, streamText, tool } from 'ai'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { z } from 'zod'
import { createNextx, type NextxProvider } from '../../../src/ai-sdk/index.ts'
import { generateText as continueText } from '../../../src/decode/index.ts'
import { type Device, openDevice } from '../../../src/platform/index.ts'
import { packageData } from '../../../src/platform/package-data.ts'
import { loadModel } from '../../../src/systems/index.ts'

globalThis.AI_SDK_LOG_WARNINGS = false

let device: Device
let nextx: NextxProvider

beforeAll(async () => {
  device = await openDevice({ worker: false, threads: 1 })
  nextx = createNextx({
    models: [
      { name: 'stories', path: packageData('stories260K') },
      { name: 'garments', path: packageData('garments') },
    ],
    // The model has learnt no conversation: what the user says is continued.
    chatTemplate: '{% for m in messages %}{% if m.content %}{{ m.content }} {% endif %}{% endfor %}',
    device,
  })
})

afterAll(async () => {
  await nextx?.[Symbol.asyncDispose]()
  await device?.[Symbol.asyncDispose]()
})

test('the likeliest text is that of generateText of nextx, at once and streamed', async () => {
  await using model = await loadModel(packageData('stories260K'), { device })
  let expected = ''
  for await (const { text } of continueText(model.stepper, model.tokenizer, 'Once upon a time', { maxTokens: 20, temperature: 0 }))
    expected += text
  const settings = { model: nextx.completionModel('stories'), prompt: 'Once upon a time', maxOutputTokens: 20, temperature: 0 }
  const { text, finishReason, usage } = await generateText(settings)
  expect([text, finishReason, usage.outputTokens]).toEqual([expected, 'length', 20])
  const streamed = streamText(settings)
  expect(await streamed.text).toBe(expected)
})

test('a seed decides, and settings beyond the standard arrive', async () => {
  const ask = async (seed: number, minP: number) => {
    const providerOptions = { nextx: { minP } }
    return (await generateText({ model: nextx('stories'), prompt: 'Once', maxOutputTokens: 12, seed, providerOptions })).text
  }
  const [first, again, other, likeliest, likeliestToo] = [
    await ask(1, 0),
    await ask(1, 0),
    await ask(2, 0),
    await ask(1, 1),
    await ask(2, 1),
  ]
  expect(again).toBe(first)
  expect(other).not.toBe(first)
  expect(likeliestToo).toBe(likeliest)
})

test('an object of a schema, and a call of a tool', async () => {
  const schema = z.object({ colour: z.enum(['red', 'blue']), small: z.boolean() })
  const { object } = await generateObject({ model: nextx('stories'), schema, prompt: 'A ball', seed: 1, maxOutputTokens: 100 })
  expect(schema.parse(object)).toEqual(object)
  const paint = tool({
    inputSchema: z.object({ colour: z.enum(['red', 'blue']) }),
    execute: async ({ colour }) => `${colour} paint`,
  })
  const result = await generateText({
    model: nextx('stories'),
    prompt: 'A ball',
    tools: { paint },
    toolChoice: 'required',
    seed: 1,
    maxOutputTokens: 100,
  })
  expect(result.finishReason).toBe('tool-calls')
  expect(result.toolResults.map(({ output }) => output)).toEqual([expect.stringMatching(/^(red|blue) paint$/)])
})

test('an abort ends an answer', async () => {
  const stop = new AbortController()
  const result = streamText({ model: nextx('stories'), prompt: 'Once', maxOutputTokens: 400, abortSignal: stop.signal })
  let pieces = 0
  for await (const _ of result.textStream) if (++pieces === 3) stop.abort()
  expect(pieces).toBeLessThan(20)
})

test('vectors and pictures', async () => {
  const { embedding } = await embed({ model: nextx.embeddingModel('stories'), value: 'a dog' })
  expect(embedding.reduce((sum, value) => sum + value ** 2, 0)).toBeCloseTo(1, 4)
  const { images } = await generateImage({ model: nextx.imageModel('garments'), prompt: 'dress', n: 2, seed: 1 })
  expect(images.map(({ mediaType }) => mediaType)).toEqual(['image/png', 'image/png'])
})
