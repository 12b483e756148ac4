import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { writeGguf } from '../../../bench/lib/gguf-writer.ts'
import { ContextError, DataError, FormatError, OptionError } from '../../../src/base/errors.ts'
import { readSafetensors, writeSafetensors } from '../../../src/formats/index.ts'
import { type Device, openDevice, packageData } from '../../../src/platform/index.ts'
import { createModel, type LoadModelOptions, loadModel, loadSystem, saveModel, scoreText } from '../../../src/systems/index.ts'
import { trainCharacters } from '../../../src/tokenizers/index.ts'

const shipped = packageData('stories260K')
const story = 'Once upon a time, there was a little girl named Lily. '
const gguf = {
  architecture: 'llama',
  ...{ contextLength: 64, width: 64, layers: 1, heads: 4, keyValueHeads: 2, headWidth: 16, hidden: 96, vocabularySize: 352 },
} as const

let device: Device
let root: string
const at = (...names: string[]) => join(root, ...names)
beforeAll(async () => {
  device = await openDevice({ threads: 1, worker: false })
  root = mkdtempSync(join(tmpdir(), 'nextx-load-'))
})
afterAll(async () => {
  await device[Symbol.asyncDispose]()
  rmSync(root, { recursive: true })
})

async function perplexity(path: string, options: Partial<LoadModelOptions> = {}): Promise<number> {
  await using model = await loadModel(path, { device, ...options })
  return (await scoreText(model, story)).perplexity
}

/** The shipped model with other values in its configuration. */
function shippedWith(name: string, config: object): string {
  cpSync(shipped, at(name), { recursive: true })
  const original = JSON.parse(readFileSync(at(name, 'config.json'), 'utf8')) as object
  writeFileSync(at(name, 'config.json'), JSON.stringify({ ...original, ...config }))
  return at(name)
}

describe('a context', () => {
  it('that is longer comes with the scaling, as if config.json had said so', async () => {
    const rope_scaling = { rope_type: 'linear', factor: 2 }
    const folder = shippedWith('linear', { max_position_embeddings: 1024, rope_scaling })
    const asked = { context: 1024, rotaryScaling: { kind: 'linear', factor: 2 } } as const
    expect(await perplexity(shipped, asked)).toBe(await perplexity(folder))
    expect(await perplexity(shipped, asked)).not.toBe(await perplexity(shipped))
    await using model = await loadModel(shipped, { device, context: 2048, rotaryScaling: { kind: 'yarn', factor: 4 } })
    expect(model.stepper.contextLength).toBe(2048)
    // Without `original` it is the trained context.
    expect(model.options).toMatchObject({ context: 2048, rotaryScaling: { kind: 'yarn', factor: 4, original: 512 } })
  })

  it('that is shorter changes nothing else', async () => {
    await using model = await loadModel(shipped, { device, context: 100 })
    expect(model.stepper.contextLength).toBe(100)
    expect((await scoreText(model, story)).perplexity).toBe(await perplexity(shipped))
  })

  it('that the model does not reach, or cannot have, is refused', async () => {
    const refused = (options: object, path = shipped) => expect(loadModel(path, { device, ...options })).rejects
    await refused({ context: 513 }).toThrow(ContextError)
    await refused({ context: 1025, rotaryScaling: { kind: 'linear', factor: 2 } }).toThrow(ContextError)
    for (const context of [0, -1, 1.5, Number.NaN, '600', null, 2 ** 40]) await refused({ context }).toThrow(OptionError)
    for (const rotaryScaling of [
      null,
      'yarn',
      {},
      { kind: 'x' },
      { kind: 'yarn' },
      { kind: 'longrope' },
      { kind: 'linear', factor: -1 },
    ])
      await refused({ rotaryScaling }).toThrow(OptionError)
    const tokenizer = trainCharacters(['abcdef'])
    const sizes = { context: 16, width: 8, layers: 1, heads: 2, hidden: 8, bias: false, head: 'tied' }
    const options = { ...sizes, vocabularySize: tokenizer.vocabularySize }
    await using learned = await createModel({ system: await loadSystem('gpt'), options, tokenizer, device, seed: 1 })
    await saveModel(learned, at('learned'))
    await refused({ context: 8 }, at('learned')).toThrow(/system gpt; expected a model whose positions are rotations/)
  })
})

describe('a checkpoint', () => {
  it('in several files may be links to elsewhere, as in caches of public models', async () => {
    mkdirSync(at('blobs'))
    mkdirSync(at('snapshots', 'main'), { recursive: true })
    const { tensors } = readSafetensors(readFileSync(join(shipped, 'model.safetensors')))
    const entries = [...tensors]
    const parts = { a: entries.slice(0, 20), b: entries.slice(20) }
    const weight_map: Record<string, string> = {}
    for (const [part, own] of Object.entries(parts)) {
      writeFileSync(at('blobs', part), writeSafetensors(own))
      symlinkSync(`../../blobs/${part}`, at('snapshots', 'main', `model-${part}.safetensors`))
      for (const [name] of own) weight_map[name] = `model-${part}.safetensors`
    }
    writeFileSync(at('snapshots', 'main', 'model.safetensors.index.json'), JSON.stringify({ weight_map }))
    for (const name of ['config.json', 'tok512.json']) symlinkSync(join(shipped, name), at('snapshots', 'main', name))
    expect(await perplexity(at('snapshots', 'main'))).toBe(await perplexity(shipped))
    const [first] = entries
    for (const outside of ['../../blobs/a', at('blobs', 'a'), 'sub/a']) {
      const index = { weight_map: { ...weight_map, [first![0]]: outside } }
      writeFileSync(at('snapshots', 'main', 'model.safetensors.index.json'), JSON.stringify(index))
      await expect(loadModel(at('snapshots', 'main'), { device })).rejects.toThrow(/the name of a file in its own folder/)
    }
  })

  it('in GGUF is known by what it holds, whatever its name', async () => {
    await writeGguf(at('model.gguf'), gguf, { type: 'f32' })
    for (const name of ['MODEL.GGUF', 'blob']) cpSync(at('model.gguf'), at(name))
    const expected = await perplexity(at('model.gguf'))
    for (const name of ['MODEL.GGUF', 'blob']) expect(await perplexity(at(name))).toBe(expected)
  })

  it('of another kind is refused, with what was expected', async () => {
    const file = (name: string, ...bytes: number[]) => {
      writeFileSync(at(name), Uint8Array.from(bytes))
      return loadModel(at(name), { device })
    }
    await expect(file('empty')).rejects.toThrow(FormatError)
    await expect(file('short.gguf', 0x47, 0x47, 0x55)).rejects.toThrow(
      /no GGUF file; expected a file that begins with GGUF, or a folder/,
    )
    await expect(file('other.gguf', 1, 2, 3, 4, 5)).rejects.toThrow(FormatError)
    await expect(file('cut.gguf', ...Buffer.from('GGUF'))).rejects.toThrow(FormatError)
    await expect(file('rwkv.bin', 0x66, 0x6d, 0x67, 0x67, 101, 0, 0, 0)).rejects.toThrow(/file of rwkv\.cpp.*loadRwkv7/)
    await expect(loadModel(at('nowhere'), { device })).rejects.toThrow(DataError)
  })
})

describe('loading', () => {
  it('stops when it is aborted, and before it begins', async () => {
    await expect(loadModel(at('nowhere'), { device, signal: AbortSignal.abort(new Error('early')) })).rejects.toThrow('early')
    const controller = new AbortController()
    const seen: number[] = []
    const onProgress = (done: number) => {
      seen.push(done)
      if (seen.length === 3) controller.abort(new Error('late'))
    }
    await expect(loadModel(shipped, { device, signal: controller.signal, onProgress })).rejects.toThrow('late')
    expect(seen).toHaveLength(3)
  })

  it.each([
    ['no path', undefined, {}],
    ['a URL', new URL('file:///model'), {}],
    ['a progress that is no function', shipped, { onProgress: 'x' }],
    ['a signal that is none', shipped, { signal: 'x' }],
    ['a signal that is nearly one', shipped, { signal: {} }],
  ])('refuses %s', async (_, path, options) => {
    await expect(loadModel(path as string, { device, ...options } as never)).rejects.toThrow(OptionError)
  })

  it('refuses options that are none', async () => {
    for (const options of [undefined, null, 5]) await expect(loadModel(shipped, options as never)).rejects.toThrow(OptionError)
  })
})
