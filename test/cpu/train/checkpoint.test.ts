import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, truncateSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { DataError, MismatchError, OptionError } from '../../../src/base/errors.ts'
import { createRng } from '../../../src/base/rng.ts'
import { readSafetensors } from '../../../src/formats/index.ts'
import { Embedding, initialize, Linear, zeros } from '../../../src/nn/index.ts'
import type { Device } from '../../../src/platform/device.ts'
import { openDevice } from '../../../src/platform/index.ts'
import {
  type FitEvent,
  fit,
  latestCheckpoint,
  loadModule,
  readCheckpoint,
  restoreCheckpoint,
  saveModule,
} from '../../../src/train/index.ts'
import { TinyModel, tinyTask, valuesOf } from './tiny-task.ts'

let root: string
beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'nextx-checkpoint-'))
})
afterEach(() => rmSync(root, { recursive: true }))

class Language {
  readonly embed: Embedding
  readonly head: Linear

  constructor(vocabularySize: number, width = 3, bias = true) {
    this.embed = new Embedding(vocabularySize, width)
    this.head = new Linear(width, vocabularySize, bias ? { bias: zeros } : {})
  }
}

async function initialized<M extends object>(module: M): Promise<M> {
  await initialize(module, createRng(1))
  return module
}

describe('saveModule and loadModule', () => {
  test('give back the same values, and leave a file that other readers take', async () => {
    const model = await initialized(new Language(7))
    await saveModule(root, model, { 'config.json': '{"a":1}', 'ids.bin': Uint8Array.of(1, 2) })
    const other = new Language(7)
    await loadModule(root, other)
    expect(await valuesOf(other)).toEqual(await valuesOf(model))
    expect(readdirSync(root).sort()).toEqual(['config.json', 'ids.bin', 'model.safetensors'])
    const { tensors, metadata } = readSafetensors(readFileSync(join(root, 'model.safetensors')))
    expect([...tensors.keys()].sort()).toEqual(['embed.weight', 'head.bias', 'head.weight'])
    expect(metadata.get('format')).toBe('pt')
  })

  test('weights that do not fit are listed, and change nothing', async () => {
    await saveModule(root, await initialized(new Language(7, 3, false)))
    const model = await initialized(new Language(9))
    const before = await valuesOf(model)
    await expect(loadModule(root, model)).rejects.toThrow(
      /lacks head\.bias; has other shapes: embed\.weight is float32 \[7, 3\] and not float32 \[9, 3\], head\.weight is/,
    )
    expect(await valuesOf(model)).toEqual(before)
    await expect(loadModule(root, new Linear(3, 7))).rejects.toThrow(/lacks weight; has the unknown embed\.weight, head\.weight/)
    await expect(loadModule(root, new Linear(3, 7))).rejects.toThrow(MismatchError)
  })

  test('a vocabulary that was exchanged or lost is noticed', async () => {
    const model = await initialized(new Language(7))
    await saveModule(root, model, { 'tokenizer.json': '["a","b"]' })
    writeFileSync(join(root, 'tokenizer.json'), '["b","a"]')
    await expect(loadModule(root, model)).rejects.toThrow(/tokenizer\.json in .* is not the one that the weights were saved with/)
    rmSync(join(root, 'tokenizer.json'))
    await expect(loadModule(root, model)).rejects.toThrow(MismatchError)
  })

  test('saving over a former model replaces all of it; anything else is left alone', async () => {
    await saveModule(root, await initialized(new Language(7)), { 'config.json': '1' })
    await saveModule(root, await initialized(new Language(8)), { 'config.json': '2' })
    await loadModule(root, new Language(8))
    writeFileSync(join(root, 'thesis.tex'), 'years of work')
    await expect(saveModule(root, await initialized(new Language(8)), { 'config.json': '3' })).rejects.toThrow(
      /'thesis\.tex', which would be lost/,
    )
    expect(readFileSync(join(root, 'config.json'), 'utf8')).toBe('2')
    await expect(saveModule(join(root, 'x'), await initialized(new Language(8)), { 'model.safetensors': '' })).rejects.toThrow(
      OptionError,
    )
  })

  test('a folder or file that is not there, and a file cut short', async () => {
    await expect(loadModule(join(root, 'none'), new Language(7))).rejects.toThrow(DataError)
    await expect(loadModule(root, new Language(7))).rejects.toThrow(DataError)
    const path = join(root, 'model')
    await saveModule(path, await initialized(new Language(7)))
    truncateSync(join(path, 'model.safetensors'), 100)
    await expect(loadModule(path, new Language(7))).rejects.toMatchObject({ code: 'format' })
  })
})

describe('checkpoints', () => {
  let device: Device
  beforeAll(async () => {
    device = await openDevice({ threads: 1, worker: false })
  })
  afterAll(() => device[Symbol.asyncDispose]())

  async function run(steps: number, folder?: string) {
    const task = await tinyTask()
    const events: FitEvent[] = []
    const onEvent = (event: FitEvent) => void events.push(event)
    const saving = folder === undefined ? {} : { folder, checkpointEvery: 2 }
    await fit(task, { device, steps, learningRate: 0.02, onEvent, ...saving })
    return { weights: await valuesOf(task.module), events }
  }

  const damages: readonly (readonly [string, (path: string) => void])[] = [
    ['a file is cut short', (path) => truncateSync(join(path, 'model.safetensors'), 200)],
    ['a file is missing', (path) => rmSync(join(path, 'training.safetensors'))],
    ['the record is missing', (path) => rmSync(join(path, 'training.json'))],
    ['the record is half a record', (path) => truncateSync(join(path, 'training.json'), 40)],
    [
      'the record is of another format',
      (path) => writeFileSync(join(path, 'training.json'), '{"format":"nextx checkpoint","version":2}'),
    ],
    ['the folder is empty', (path) => readdirSync(path).forEach((name) => void rmSync(join(path, name)))],
    [
      'a bit is flipped',
      (path) => {
        const file = join(path, 'training.safetensors')
        const bytes = readFileSync(file)
        bytes[bytes.length - 3]! ^= 4
        writeFileSync(file, bytes)
      },
    ],
    [
      'the record leads elsewhere',
      (path) => {
        const file = join(path, 'training.json')
        writeFileSync(file, readFileSync(file, 'utf8').replace('"model.safetensors"', '"../step-4/model.safetensors"'))
      },
    ],
  ]
  test.each(damages)('when %s, the one before is taken, and the run says so and ends alike', async (_name, damage) => {
    const whole = await run(8)
    await run(6, root)
    damage(join(root, 'step-6'))
    const { checkpoint, damaged } = await latestCheckpoint(root)
    expect(checkpoint!.progress).toEqual({ step: 4, batches: 4, best: null, waiting: null })
    expect(damaged).toEqual([{ path: join(root, 'step-6'), problem: expect.any(String) }])
    const rest = await run(8, root)
    expect(rest.events[0]).toMatchObject({ step: 4, resumedFrom: join(root, 'step-4'), damaged })
    expect(rest.weights).toEqual(whole.weights)
    expect((await latestCheckpoint(root)).damaged).toEqual([])
    expect((await readCheckpoint(join(root, 'step-6'))).progress.step).toBe(6)
  })

  test('when all are damaged, nothing is started over', async () => {
    await run(2, root)
    rmSync(join(root, 'step-2', 'training.json'))
    await expect(run(4, root)).rejects.toThrow(/no checkpoint in .* is complete/)
    expect(existsSync(join(root, 'step-2', 'model.safetensors'))).toBe(true)
  })

  test('what a killed writer left behind is cleared away; other folders stay', async () => {
    const left = '.step-2.0e37df36-f698-11e6-8dd4-cb9ced3df976.unfinished'
    for (const name of [left, 'step-02', 'notes']) mkdirSync(join(root, name))
    await run(2, root)
    expect(readdirSync(root).sort()).toEqual(['notes', 'step-02', 'step-2'])
  })

  test('one is restored as a whole or not at all', async () => {
    await run(2, root)
    const checkpoint = await readCheckpoint(join(root, 'step-2'))
    const model = await initialized(new TinyModel())
    const before = await valuesOf(model)
    await expect(restoreCheckpoint(checkpoint, model, [])).rejects.toThrow(/training state .* has the unknown optimizer\.first/)
    await expect(restoreCheckpoint(checkpoint, new Language(7), [])).rejects.toThrow(MismatchError)
    expect(await valuesOf(model)).toEqual(before)
  })
})
