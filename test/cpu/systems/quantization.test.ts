import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { DataError, MismatchError, OptionError } from '../../../src/base/errors.ts'
import { readSafetensors } from '../../../src/formats/index.ts'
import { namedVariables, QuantizedMatrix } from '../../../src/nn/index.ts'
import { type Device, openDevice } from '../../../src/platform/index.ts'
import {
  createModel,
  declaredQuantization,
  loadModel,
  loadSystem,
  quantizationOf,
  quantizeText,
  saveModel,
  scoreText,
  type TextModel,
} from '../../../src/systems/index.ts'
import { bytesTokenizer } from '../../../src/tokenizers/index.ts'

const shipped = fileURLToPath(new URL('../../../data/stories260K', import.meta.url))
const story = 'Once upon a time, there was a little girl named Lily. She liked to play with her red ball in the park. '

let device: Device
let root: string
beforeAll(async () => {
  device = await openDevice({ worker: false, threads: 1 })
  root = mkdtempSync(join(tmpdir(), 'nextx-quantised-'))
})
afterAll(async () => {
  await device[Symbol.asyncDispose]()
  rmSync(root, { recursive: true })
})

async function using<T>(model: TextModel, work: (model: TextModel) => Promise<T>): Promise<T> {
  try {
    return await work(model)
  } finally {
    await model[Symbol.asyncDispose]()
  }
}

const nats = async (model: TextModel) => (await scoreText(model, story)).natsPerToken

describe('a quantised model', () => {
  it('of 8 bits is nearly as it was, and takes a third of the bytes; so does the folder it is saved to and read from', async () => {
    const folder = join(root, 'eight')
    await using(await loadModel(shipped, { device }), async (model) => {
      const before = await nats(model)
      const reports = await quantizeText(model, { bits: 8, blockSize: 32 })
      expect(reports).toHaveLength(1 + 5 * 7)
      for (const { relativeError } of reports) expect(relativeError).toBeLessThan(0.01)
      const total = (of: 'before' | 'after') => reports.reduce((sum, { bytes }) => sum + bytes[of], 0)
      // (1 + 4/32) bytes for 4, and some blocks that are not full.
      expect(total('after') / total('before')).toBeGreaterThan(9 / 32)
      expect(total('after') / total('before')).toBeLessThan(0.3)
      const after = await nats(model)
      expect(Math.abs(after / before - 1)).toBeLessThan(0.02)
      await saveModel(model, folder)
      await using(await loadModel(folder, { device }), async (again) => {
        expect(await nats(again)).toBe(after)
        expect(quantizationOf(again.network)).toEqual({ bits: 8, blockSize: 32 })
      })
    })
    const { tensors } = readSafetensors(readFileSync(join(folder, 'model.safetensors')))
    const name = 'model.layers.0.mlp.down_proj.weight'
    expect(tensors.get(`${name}.blocks`)).toMatchObject({ dtype: 'uint8', shape: [64, 6, 32] })
    expect(tensors.get(`${name}.scales`)).toMatchObject({ dtype: 'float32', shape: [64, 6] })
    expect(tensors.has(name)).toBe(false)
    expect(JSON.parse(readFileSync(join(folder, 'config.json'), 'utf8'))).toMatchObject({
      quantization: { bits: 8, blockSize: 32 },
    })
  })

  it('of 4 bits loses less when columns make up for one another, as a calibration text shows', async () => {
    const losses: number[] = []
    for (const calibration of [undefined, `${story.repeat(3)} He saw a big dog. `.repeat(6)]) {
      await using(await loadModel(shipped, { device }), async (model) => {
        await quantizeText(model, { bits: 4, blockSize: 64, ...(calibration !== undefined && { calibration }) })
        losses.push(await nats(model))
      })
    }
    expect(losses[1]!).toBeLessThan(losses[0]!)
  })

  it('may keep matrices as they are, and have several formats', async () => {
    const folder = join(root, 'mixed')
    await using(await loadModel(shipped, { device }), async (model) => {
      await quantizeText(model, { bits: 8, blockSize: 16, selects: (name) => name.includes('embed_tokens') })
      await quantizeText(model, { bits: 4, blockSize: 32, selects: (name) => !name.includes('down_proj') })
      await saveModel(model, folder)
      const declared = quantizationOf(model.network)
      const kept = [0, 1, 2, 3, 4].map((layer) => [`model.layers.${layer}.mlp.down_proj.weight`, null])
      expect(declared).toEqual({
        bits: 4,
        blockSize: 32,
        except: Object.fromEntries([['model.embed_tokens.weight', { bits: 8, blockSize: 16 }], ...kept]),
      })
      await using(await loadModel(folder, { device }), async (again) => expect(await nats(again)).toBe(await nats(model)))
    })
  })

  it('of any system is saved and read, also with positions that are learned', async () => {
    const system = await loadSystem('gpt')
    const options = { ...system.presets.tiny!, vocabularySize: 256, layers: 1, width: 48, heads: 3, context: 32, hidden: 40 }
    const folder = join(root, 'gpt')
    await using(await createModel({ system, options, tokenizer: bytesTokenizer(), device, seed: 1 }), async (model) => {
      await quantizeText(model, { bits: 4, blockSize: 32, calibration: story })
      expect([...namedVariables(model.network).keys()].filter((name) => name.includes('positions'))).toEqual([
        'model.positions.weight',
      ])
      await saveModel(model, folder)
      await using(await loadModel(folder, { device }), async (again) => expect(await nats(again)).toBe(await nats(model)))
    })
  })
})

describe('what cannot be quantised changes nothing', () => {
  it.each([
    ['a text that is too short', { calibration: 'a', calibrationTokens: 1 }, DataError],
    ['a method without its text', { method: 'gptq' as const }, OptionError],
    ['a text without its method', { method: 'nearest' as const, calibration: story }, OptionError],
    ['nothing selected', { selects: () => false }, OptionError],
    ['blocks without kernels', { blockSize: 48 }, OptionError],
    ['an unknown option', { group: 32 } as object, OptionError],
  ])('%s', async (_name, options, type) => {
    await using(await loadModel(shipped, { device }), async (model) => {
      await expect(quantizeText(model, { bits: 4, blockSize: 32, ...options })).rejects.toThrow(type)
      expect(model.network.model.embed_tokens.weight).not.toBeInstanceOf(QuantizedMatrix)
    })
  })
})

describe('config.json declares a quantisation', () => {
  it.each([
    ['as another program writes it', { group_size: 64, bits: 4 }],
    ['of other bits', { bits: 3, blockSize: 32 }],
    ['of other blocks', { bits: 4, blockSize: 48 }],
    ['that is no object', 'q4'],
    ['with more than is known', { bits: 4, blockSize: 32, zeroPoint: true }],
    ['with exceptions of no format', { bits: 4, blockSize: 32, except: { a: { bits: 4 } } }],
  ])('%s: refused', (_name, quantization) => {
    expect(() => declaredQuantization({ quantization })).toThrow(OptionError)
  })

  it('or none', () => {
    for (const config of [{}, { quantization: null }, null, 'x']) expect(declaredQuantization(config)).toBeUndefined()
  })

  it('that the weights beside it do not have', async () => {
    const folder = join(root, 'wrong')
    cpSync(shipped, folder, { recursive: true })
    const config = JSON.parse(readFileSync(join(folder, 'config.json'), 'utf8')) as object
    const declare = (quantization: object) =>
      writeFileSync(join(folder, 'config.json'), JSON.stringify({ ...config, quantization }))
    declare({ bits: 4, blockSize: 32 })
    await expect(loadModel(folder, { device })).rejects.toThrow(MismatchError)
    declare({ bits: 4, blockSize: 32, except: { 'model.layers.9.mlp.up_proj.weight': null } })
    await expect(loadModel(folder, { device })).rejects.toThrow(
      /names model\.layers\.9\.mlp\.up_proj\.weight, which the model lacks/,
    )
  })
})
