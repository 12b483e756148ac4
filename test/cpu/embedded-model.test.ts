import { readFileSync } from 'node:fs'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { generate, generateText, score } from '../../src/decode/index.ts'
import { type Device, openDevice, packageData } from '../../src/platform/index.ts'
import { loadModel, scoreText, type TextModel } from '../../src/systems/index.ts'

interface Expected {
  readonly prompt_ids: readonly number[]
  readonly greedy_ids: readonly number[]
  readonly logits_after_bos_f32: readonly number[]
}

const folder = packageData('stories260K')
// Computed in float32 by a separate program (see SOURCE.md there).
const expected = JSON.parse(readFileSync(`${folder}/expected-greedy.json`, 'utf8')) as Expected

describe.each([
  { driver: 'onnxruntime-c' },
  { driver: 'onnxruntime-node', worker: false },
  { driver: 'onnxruntime-node', worker: true },
] as const)('stories260K on %j', (options) => {
  let device: Device
  let model: TextModel
  beforeAll(async () => {
    device = await openDevice({ threads: 1, ...options })
    expect(device.info).toMatchObject(options)
    model = await loadModel(folder, { device })
  })
  afterAll(async () => {
    await device[Symbol.asyncDispose]()
  })

  it('continues greedily with the published ids, whose score is the sum of the step log-probabilities', async () => {
    const ids: number[] = []
    let sum = 0
    for await (const { token, logProb } of generate(model.stepper, expected.prompt_ids, {
      temperature: 0,
      maxTokens: expected.greedy_ids.length,
    })) {
      ids.push(token)
      sum += logProb
    }
    expect(ids).toEqual(expected.greedy_ids)
    const { total } = await score(model.stepper, [...expected.prompt_ids, ...ids])
    expect(total).toBeCloseTo(sum, 3)
    const text = model.tokenizer.decode([1, ...ids])
    expect((await scoreText(model, text)).logProb).toBeCloseTo(sum, 3)
  })

  it('gives the published logits after the start token', async () => {
    const state = await model.stepper.open()
    const [output] = await model.stepper.extend([{ state, tokens: expected.prompt_ids }], { keep: 'append', logits: 'last' })
    const worst = Math.max(...expected.logits_after_bos_f32.map((value, i) => Math.abs(value - output!.logits[i]!)))
    expect(worst).toBeLessThan(1e-3)
    await model.stepper.close(state)
  })

  it('streams the published text, continuing a prompt with its space', async () => {
    const pieces: string[] = []
    for await (const { text } of generateText(model.stepper, model.tokenizer, 'Once upon a', { temperature: 0, maxTokens: 40 }))
      pieces.push(text)
    const published = readFileSync(`${folder}/expected-greedy.txt`, 'utf8').trim()
    expect(pieces.length).toBeGreaterThan(10)
    expect(published.startsWith(`Once upon a${pieces.join('')}`)).toBe(true)
  })
})
