import { UnsupportedFunctionalityError } from '@ai-sdk/provider'
import { embed, embedMany, generateImage } from 'ai'
import { expect, test } from 'vitest'
import { createNextx } from '../../../src/ai-sdk/index.ts'
import { openAiStub } from './openai-stub.ts'

globalThis.AI_SDK_LOG_WARNINGS = false

test('embed and embedMany: as many requests as the limit asks for', async () => {
  const service = openAiStub([])
  const nextx = createNextx({ service, caller: 'me' })
  const model = nextx.embeddingModel('chatty')
  const one = await embed({ model, value: 'abc' })
  expect(one).toMatchObject({ embedding: [3, 0], usage: { tokens: 3 }, warnings: [] })
  const values = Array.from({ length: 300 }, (_, i) => 'x'.repeat(i % 7))
  const many = await embedMany({ model: nextx.textEmbeddingModel('chatty'), values })
  expect(many.embeddings.map(([length]) => length)).toEqual(values.map(({ length }) => length))
  expect(service.requests.map(({ body }) => (body.input as string[]).length)).toEqual([1, 256, 44])
  expect(service.requests[0]).toMatchObject({ path: '/v1/embeddings', options: { caller: 'me' } })
})

test('embeddings take no options of nextx', async () => {
  const nextx = createNextx({ service: openAiStub([]) })
  const model = nextx.embeddingModel('chatty')
  await expect(embed({ model, value: 'a', providerOptions: { nextx: { dimensions: 3 } } })).rejects.toThrow(/"dimensions"/)
})

test('pictures: several requests, their settings, and what is not there', async () => {
  const service = openAiStub([])
  const model = createNextx({ service }).imageModel('painter')
  const providerOptions = { nextx: { guidance: 1.5, topK: 5 } }
  const { images, warnings } = await generateImage({ model, prompt: 'dress', n: 20, seed: 3, size: '28x28', providerOptions })
  expect(images.length).toBe(20)
  expect(images[0]).toMatchObject({ mediaType: 'image/png' })
  expect(warnings).toEqual([])
  expect(service.requests.map(({ body }) => body.n)).toEqual([16, 4])
  expect(service.requests[0]!.body).toEqual({
    model: 'painter',
    prompt: 'dress',
    n: 16,
    size: '28x28',
    seed: 3,
    guidance: 1.5,
    top_k: 5,
  })
  const odd = await generateImage({ model, prompt: 'dress', aspectRatio: '1:2' })
  expect(odd.warnings).toMatchObject([{ type: 'unsupported', feature: 'aspectRatio' }])
  const edit = generateImage({ model, prompt: { text: 'dress', images: [new Uint8Array([0x89, 0x50, 0x4e, 0x47])] } })
  await expect(edit).rejects.toSatisfy((error) => UnsupportedFunctionalityError.isInstance(error))
})
