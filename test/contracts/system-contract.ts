import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { InferenceSession, Tensor } from 'onnxruntime-node'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { TextTokenizer } from '../../src/base/model.ts'
import { generate, score } from '../../src/decode/index.ts'
import { type Device, openDevice } from '../../src/platform/index.ts'
import {
  createModel,
  exportModel,
  loadModel,
  loadSystem,
  saveModel,
  scoreText,
  type TextModel,
  textTask,
} from '../../src/systems/index.ts'
import { trainCharacters } from '../../src/tokenizers/index.ts'
import { fit } from '../../src/train/index.ts'
import { smallOptions } from './small-options.ts'

const text = 'the cat sat on the mat. the dog sat on the log. the cat saw the dog and the dog saw the cat. '.repeat(20)

async function smallModel(id: string, tokenizer: TextTokenizer, device: Device): Promise<TextModel> {
  const system = await loadSystem(id)
  return createModel({ system, options: smallOptions(system, tokenizer.vocabularySize), tokenizer, device, seed: 1 })
}

/** What every text system promises: it learns, its scores are its probabilities, and it survives saving and exporting. */
export function runTextSystemContract(id: string): void {
  describe(`text system ${id}`, () => {
    const tokenizer = trainCharacters([text])
    const ids = tokenizer.encode(text)
    let device: Device
    let model: TextModel
    let folder: string
    let losses: number[]

    beforeAll(async () => {
      device = await openDevice({ threads: 1, worker: false })
      folder = await mkdtemp(join(tmpdir(), 'nextx-system-'))
      model = await smallModel(id, tokenizer, device)
      losses = []
      const task = textTask(model, { train: Int32Array.from(ids), batch: 4, seed: 1 })
      await fit(task, {
        device,
        steps: 40,
        learningRate: 5e-3,
        clip: 1,
        onEvent: (event) => void (event.kind === 'step' && losses.push(event.loss)),
      })
    })
    afterAll(async () => {
      await device[Symbol.asyncDispose]()
      await rm(folder, { recursive: true })
    })

    it('fit lowers the loss', () => {
      // Untrained, a model knows nothing: about ln(vocabulary).
      expect(losses[0]).toBeGreaterThan(0.8 * Math.log(tokenizer.vocabularySize))
      expect(losses.at(-1)).toBeLessThan(0.7 * losses[0]!)
    })

    it('the score of a text is the sum of its step log-probabilities', async () => {
      const tokens = ids.slice(0, 24)
      const { total } = await score(model.stepper, tokens)
      let sum = 0
      const state = await model.stepper.open()
      for (const [i, token] of tokens.slice(0, -1).entries()) {
        const [output] = await model.stepper.extend([{ state, tokens: [token] }], { keep: 'append', logits: 'last' })
        const logits = Array.from(output!.logits)
        sum += logits[tokens[i + 1]!]! - Math.log(logits.reduce((mass, x) => mass + Math.exp(x), 0))
      }
      await model.stepper.close(state)
      expect(total).toBeCloseTo(sum, 3)
      expect((await scoreText(model, text.slice(0, 24))).logProb).toBeCloseTo(total, 3)
    })

    it('the score of a generated sequence is finite and equals what generate reported', async () => {
      const prompt = ids.slice(0, 4)
      const tokens = [...prompt]
      let sum = 0
      for await (const { token, logProb } of generate(model.stepper, prompt, { maxTokens: 16, seed: 5 })) {
        tokens.push(token)
        sum += logProb
      }
      const { total } = await score(model.stepper, tokens, { promptLength: prompt.length })
      expect(Number.isFinite(total)).toBe(true)
      expect(total).toBeCloseTo(sum, 3)
    })

    it('generate repeats with the same seed and differs with another', async () => {
      const sample = async (seed: number) => {
        const tokens: number[] = []
        for await (const { token } of generate(model.stepper, ids.slice(0, 2), { maxTokens: 24, seed, temperature: 1.5 }))
          tokens.push(token)
        return tokens
      }
      expect(await sample(1)).toEqual(await sample(1))
      expect(await sample(1)).not.toEqual(await sample(2))
    })

    it('save → load gives the same logits to the bit', async () => {
      await saveModel(model, join(folder, 'saved'))
      await using loaded = await loadModel(join(folder, 'saved'), { device })
      expect(await logitsOf(loaded, ids.slice(0, 20))).toEqual(await logitsOf(model, ids.slice(0, 20)))
    })

    it('plain ONNX Runtime runs the exported file with equal logits', async () => {
      for (const external of [false, true]) {
        const path = join(folder, `model-${external}.onnx`)
        await exportModel(model, path, { external })
        const session = await InferenceSession.create(path)
        const tokens = ids.slice(0, 20)
        const { logits } = await session.run({ ids: new Tensor('int32', Int32Array.from(tokens), [1, tokens.length]) })
        const expected = await logitsOf(model, tokens)
        const worst = Math.max(...expected.map((value, i) => Math.abs(value - Number(logits!.data[i]))))
        expect(worst).toBeLessThan(1e-4)
        await session.release()
      }
      expect((await readFile(join(folder, 'model-true.onnx'))).length).toBeLessThan(
        (await readFile(join(folder, 'model-false.onnx'))).length,
      )
    })
  })
}

async function logitsOf(model: TextModel, tokens: readonly number[]): Promise<Float32Array> {
  const state = await model.stepper.open()
  const [output] = await model.stepper.extend([{ state, tokens }], { keep: 'append', logits: 'all' })
  await model.stepper.close(state)
  return output!.logits
}
