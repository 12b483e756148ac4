import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { GeneratedToken, GenerateOptions } from '../../../src/decode/index.ts'
import { generate, generateText } from '../../../src/decode/index.ts'
import { embedTexts, openEngine, openRecomputeStepper } from '../../../src/engine/index.ts'
import { type Device, openDevice } from '../../../src/platform/index.ts'
import { loadModel, type TextModel } from '../../../src/systems/index.ts'

const folder = fileURLToPath(new URL('../../../data/stories260K', import.meta.url))

let device: Device
let model: TextModel
beforeAll(async () => {
  device = await openDevice({ worker: false, threads: 1 })
  model = await loadModel(folder, { device })
})
afterAll(async () => {
  await model[Symbol.asyncDispose]()
  await device[Symbol.asyncDispose]()
})

const texts = ['Once upon a time', 'Once upon a time, there was a dog', 'The cat', 'Lily and Tom went to the park. They', 'One day']
const requests: { prompt: number[]; options: GenerateOptions }[] = Array.from({ length: 15 }, (_, i) => ({
  prompt: [],
  options: { maxTokens: 10 + (i % 4) * 9, seed: i, temperature: i % 3 === 0 ? 0 : 0.8, ...(i % 2 === 0 && { topP: 0.9 }) },
}))

async function collect(tokens: AsyncIterable<GeneratedToken>): Promise<GeneratedToken[]> {
  const collected: GeneratedToken[] = []
  for await (const token of tokens) collected.push(token)
  return collected
}

describe('an engine over a small model', () => {
  beforeAll(() => {
    for (const [i, { prompt }] of requests.entries())
      prompt.push(model.tokenizer.startToken!, ...model.tokenizer.encode(texts[i % texts.length]!))
  })

  it.each([
    { what: 'one row', options: { maxRows: 1 } },
    { what: 'few rows, short chunks', options: { maxRows: 3, chunk: 5 } },
    { what: 'many rows', options: { maxRows: 8 } },
    {
      what: 'a prefix cache',
      options: { maxRows: 4, prefixCache: { bytes: 4000, bytesOf: ({ length }: { length: number }) => 16 * length } },
    },
  ])('gives the tokens that each request gets alone: $what', async ({ options }) => {
    const { stepper } = model
    const before = stepper.memory().states
    const engine = openEngine(stepper, options)
    const together = await Promise.all(requests.map(({ prompt, options }) => collect(engine.generate(prompt, options))))
    for (const [i, { prompt, options }] of requests.entries()) {
      const alone = await collect(generate(stepper, prompt, options))
      expect(together[i]!.map(({ token }) => token)).toEqual(alone.map(({ token }) => token))
      for (const [j, { logProb }] of alone.entries()) expect(together[i]![j]!.logProb).toBeCloseTo(logProb, 4)
    }
    expect(engine.check()).toEqual([])
    const { prefixCache, tokens } = engine.stats()
    if (prefixCache !== undefined) expect(tokens.reused).toBeGreaterThan(30)
    expect(stepper.memory().states - before).toBe(prefixCache?.states ?? 0)
    await engine[Symbol.asyncDispose]()
    expect(stepper.memory().states).toBe(before)
  })

  it('gives them on a stepper without a cache, too', async () => {
    const { network } = model
    await using stepper = openRecomputeStepper({ backbone: network.model, head: network.lm_head }, { device })
    await using engine = openEngine(stepper, { maxRows: 3 })
    const few = requests.slice(0, 5)
    const together = await Promise.all(few.map(({ prompt, options }) => collect(engine.generate(prompt, options))))
    const alone = await Promise.all(few.map(({ prompt, options }) => collect(generate(model.stepper, prompt, options))))
    expect(together.map((each) => each.map(({ token }) => token))).toEqual(alone.map((each) => each.map(({ token }) => token)))
  })

  it('continues texts, and frees its rows when they are left', async () => {
    const { stepper, tokenizer } = model
    const before = stepper.memory().states
    await using engine = openEngine(stepper)
    const read = async (pieces: AsyncIterable<{ readonly text: string }>) => {
      let text = ''
      for await (const piece of pieces) text += piece.text
      return text
    }
    const options = { temperature: 0, maxTokens: 40, stop: ['.'] }
    const ofEngine = () => read(generateText(engine, tokenizer, 'Once upon a time', options))
    const ofStepper = () => read(generateText(stepper, tokenizer, 'Once upon a time', options))
    const [one, other, plain] = await Promise.all([ofEngine(), ofEngine(), ofStepper()])
    expect([one, other]).toEqual([plain, plain])
    expect(plain.length).toBeGreaterThan(10)
    expect(stepper.memory().states).toBe(before)
  })

  it('aborts at any moment leave nothing behind', async () => {
    const { stepper } = model
    const before = stepper.memory().states
    const engine = openEngine(stepper, { maxRows: 4, chunk: 4 })
    await Promise.allSettled(
      Array.from({ length: 60 }, async (_, i) => {
        const { prompt, options } = requests[i % requests.length]!
        const controller = new AbortController()
        const tokens = collect(engine.generate(prompt, { ...options, signal: controller.signal }))
        for (let turns = 0; turns < (i * 7) % 31; turns++) await new Promise((resolve) => setImmediate(resolve))
        controller.abort()
        await tokens
      }),
    )
    await engine.drain()
    expect(engine.stats().cancelled).toBeGreaterThan(20)
    expect(engine.stats().retried, 'batches that the stepper failed').toBe(0)
    expect(engine.check()).toEqual([])
    expect(stepper.memory().states).toBe(before)
  })
})

describe('embedTexts', () => {
  /** Token by token, without a cache. */
  async function byHand(text: string): Promise<number[]> {
    const { network, tokenizer } = model
    await using stepper = openRecomputeStepper({ backbone: network.model, head: network.lm_head }, { device })
    const state = await stepper.open()
    const sums: number[] = []
    for (const token of [tokenizer.startToken!, ...tokenizer.encode(text)]) {
      const [output] = await stepper.extend([{ state, tokens: [token] }], { keep: 'append', logits: 'last', hidden: true })
      for (const [j, x] of output!.hidden!.entries()) sums[j] = (sums[j] ?? 0) + x
    }
    return sums.map((x) => x / Math.hypot(...sums))
  }

  it.each(['padded', 'bucketed', 'packed'] as const)('pools what the model computes token by token: %s', async (batching) => {
    const { stepper, tokenizer } = model
    const before = stepper.memory().states
    const vectors = await embedTexts(stepper, tokenizer, texts, { positionsPerCall: 60, batching })
    for (const [i, text] of texts.entries()) {
      const expected = await byHand(text)
      expect(vectors[i]!.length).toBe(expected.length)
      for (const [j, x] of expected.entries()) expect(Math.abs(vectors[i]![j]! - x), `${text} ${j}`).toBeLessThan(1e-5)
    }
    expect(stepper.memory().states).toBe(before)
  })
})
