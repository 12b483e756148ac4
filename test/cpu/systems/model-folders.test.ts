import { cpSync, mkdtempSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { MismatchError, OptionError } from '../../../src/base/errors.ts'
import { type Device, openDevice, packageData } from '../../../src/platform/index.ts'
import {
  createModel,
  exportModel,
  loadModel,
  loadSystem,
  readTextData,
  saveModel,
  scoreText,
  type TextModel,
  textTask,
} from '../../../src/systems/index.ts'
import { trainCharacters } from '../../../src/tokenizers/index.ts'

const sizes = { context: 16, width: 8, layers: 1, heads: 2, hidden: 8, bias: false, head: 'tied' }

describe('model folders', () => {
  let device: Device
  let model: TextModel
  let root: string
  beforeAll(async () => {
    device = await openDevice({ threads: 1, worker: false })
    root = mkdtempSync(join(tmpdir(), 'nextx-folders-'))
    const tokenizer = trainCharacters(['abcdef'])
    const options = { ...sizes, vocabularySize: tokenizer.vocabularySize }
    model = await createModel({ system: await loadSystem('gpt'), options, tokenizer, device, seed: 1 })
    await saveModel(model, join(root, 'model'))
  })
  afterAll(async () => {
    await device[Symbol.asyncDispose]()
    rmSync(root, { recursive: true })
  })

  it('a vocabulary exchanged for one of the same size is noticed', async () => {
    cpSync(join(root, 'model'), join(root, 'swapped'), { recursive: true })
    const path = join(root, 'swapped', 'tokenizer.nextx.json')
    writeFileSync(path, readFileSync(path, 'utf8').replace('abcdef', 'fedcba').replace('["a","b"', '["b","a"'))
    await expect(loadModel(join(root, 'swapped'), { device })).rejects.toThrow(MismatchError)
  })

  it('a folder whose replacement was cut off half-way is found where it stepped aside', async () => {
    cpSync(join(root, 'model'), join(root, 'cut'), { recursive: true })
    renameSync(join(root, 'cut'), join(root, '.cut.former'))
    await using loaded = await loadModel(join(root, 'cut'), { device })
    expect(loaded.network.model.width).toBe(8)
  })

  it('runs on other data, or with another split of the same data, have other fingerprints', () => {
    const task = (train: number[], validation: number[]) =>
      textTask(model, { train: Int32Array.from(train), validation: Int32Array.from(validation), batch: 1, length: 2, seed: 1 })
        .fingerprint
    const all = [0, 1, 2, 3, 4, 5, 0, 1]
    expect(task(all.slice(0, 4), all.slice(4))).toBe(task(all.slice(0, 4), all.slice(4)))
    expect(task(all.slice(0, 4), all.slice(4))).not.toBe(task(all.slice(0, 5), all.slice(5)))
    expect(task([0, 1, 2, 4], all.slice(4))).not.toBe(task(all.slice(0, 4), all.slice(4)))
  })

  it('unknown and missing options are refused by name', async () => {
    const unknown = { nonsense: 1 } as object
    await expect(loadModel(join(root, 'model'), { device, ...unknown })).rejects.toThrow(/unknown loadModel option 'nonsense'/)
    await expect(loadModel(join(root, 'model'), {} as { device: Device })).rejects.toThrow(/device is missing/)
    await expect(scoreText(model, 'abc', unknown)).rejects.toThrow(OptionError)
    await expect(exportModel(model, join(root, 'x.onnx'), unknown)).rejects.toThrow(OptionError)
    const documents = { format: 'text', files: join(root, 'model', 'config.json') } as const
    await expect(readTextData({ documents, tokenizer: 'words' as 'bytes', seed: 1 })).rejects.toThrow(/'bytes', 'characters'/)
    expect(() => packageData('../..')).toThrow(OptionError)
  })
})
