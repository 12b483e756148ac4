import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { generate } from '../../../src/decode/index.ts'
import { type Device, openDevice, packageData } from '../../../src/platform/index.ts'
import { loadModel, saveModel, scoreText, type TextModel, type TextScore } from '../../../src/systems/index.ts'
import type { WeightsOption } from '../../../src/systems/stored-weights.ts'
import { publishedData } from '../../published-data.ts'
import { startLlamaCpp } from './gguf-networks.ts'

const gguf = publishedData('models/lm-stories260K/stories260K-f32.gguf')
const stories = publishedData('text/tinystories-2mib/tinystories_sample.txt')
const prompts = ['Once upon a time', 'Lily had a red ball. One day', 'The dog was very sad because']
const tokenCount = 60

describe.skipIf(gguf === undefined)('stories260K from its GGUF file', () => {
  let device: Device
  let root: string
  let llamaCpp: Awaited<ReturnType<typeof startLlamaCpp>>
  beforeAll(async () => {
    device = await openDevice({ threads: 1 })
    root = mkdtempSync(join(tmpdir(), 'nextx-stories-'))
    llamaCpp = await startLlamaCpp()
  }, 120_000)
  afterAll(async () => {
    await llamaCpp.close()
    await device[Symbol.asyncDispose]()
    rmSync(root, { recursive: true })
  }, 60_000)

  it('continues as its safetensors, as a folder it was saved to, and as llama.cpp', async () => {
    const saved = join(root, 'saved')
    await using model = await loadModel(gguf!, { device })
    await saveModel(model, saved)
    const ways = await Promise.all(prompts.map((prompt) => continuation(model, prompt)))
    for (const folder of [packageData('stories260K'), saved]) {
      await using other = await loadModel(folder, { device })
      for (const [i, prompt] of prompts.entries()) expect(await continuation(other, prompt), folder).toEqual(ways[i])
    }
    for (const { tokens, promptLength } of ways) {
      // Greedy ids are equal when each is the likeliest one after those before it.
      const expected = await llamaCpp.logits(gguf!, tokens)
      const next = expected.map((row) => row.indexOf(Math.max(...row)))
      expect(tokens.slice(promptLength)).toEqual(next.slice(promptLength - 1, -1))
      const worst = largestDifference(await logitsOf(model, tokens), expected.flat())
      console.log(`logits over ${tokens.length} tokens: largest difference from llama.cpp's ${worst.toExponential(1)}`)
      expect(worst).toBeLessThan(1e-2)
    }
  }, 120_000)

  it.skipIf(stories === undefined)(
    'loses little of its skill in blocks of 8 and 4 bits',
    async () => {
      const perplexities = new Map<WeightsOption, number>()
      for (const weights of ['float32', { bits: 8, blockSize: 32 }, { bits: 4, blockSize: 32 }] as const) {
        await using model = await loadModel(gguf!, { device, weights })
        perplexities.set(weights, await perplexityOf(model))
      }
      const [before, ...after] = perplexities.values()
      const [eight, four] = after.map((value) => value / before! - 1)
      console.log(`perplexity of stories: ${before!.toFixed(3)}; 8 bits ${percent(eight!)}; 4 bits ${percent(four!)}`)
      // A model of 512 pieces that knows these stories is far from guessing.
      expect(before).toBeLessThan(6)
      expect(Math.abs(eight!)).toBeLessThan(0.01)
      expect(four!).toBeGreaterThan(0)
      expect(four!).toBeLessThan(0.4)
    },
    120_000,
  )
})

async function continuation(model: TextModel, prompt: string): Promise<{ tokens: number[]; promptLength: number }> {
  const { tokenizer, stepper } = model
  const tokens = [tokenizer.startToken!, ...tokenizer.encode(prompt)]
  const promptLength = tokens.length
  for await (const { token } of generate(stepper, [...tokens], { temperature: 0, maxTokens: tokenCount })) tokens.push(token)
  expect(tokens).toHaveLength(promptLength + tokenCount)
  return { tokens, promptLength }
}

async function logitsOf({ stepper }: TextModel, tokens: readonly number[]): Promise<Float32Array> {
  const state = await stepper.open()
  const [output] = await stepper.extend([{ state, tokens }], { keep: 'append', logits: 'all' })
  await stepper.close(state)
  return output!.logits
}

function largestDifference(actual: Float32Array, expected: readonly number[]): number {
  expect(actual).toHaveLength(expected.length)
  return actual.reduce((most, x, i) => Math.max(most, Math.abs(x - expected[i]!)), 0)
}

/** Of the sample's last whole stories, each by itself. */
async function perplexityOf(model: TextModel): Promise<number> {
  const texts = readFileSync(stories!, 'utf8').split('<|endoftext|>').slice(-17, -1)
  const scores: TextScore[] = []
  for (const text of texts) scores.push(await scoreText(model, text.trim()))
  const sum = (of: 'logProb' | 'tokens') => scores.reduce((total, score) => total + score[of], 0)
  return Math.exp(-sum('logProb') / sum('tokens'))
}

const percent = (share: number) => `${share < 0 ? '' : '+'}${(100 * share).toFixed(2)} %`
