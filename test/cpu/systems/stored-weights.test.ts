import { existsSync, mkdirSync, mkdtempSync, readdirSync, readlinkSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest'
import type { GgufArchitecture } from '../../../bench/lib/gguf-architectures.ts'
import type { GgufType } from '../../../bench/lib/gguf-blocks.ts'
import { writeGguf } from '../../../bench/lib/gguf-writer.ts'
import { DataError, MismatchError } from '../../../src/base/errors.ts'
import type { StoredTensor } from '../../../src/base/stored-tensor.ts'
import { namedVariables, placesIn, QuantizedMatrix, WeightHolder } from '../../../src/nn/index.ts'
import { type Device, openDevice } from '../../../src/platform/index.ts'
import { openCheckpoint } from '../../../src/systems/checkpoint.ts'
import { forwardText } from '../../../src/systems/export-text.ts'
import { type LanguageModel, loadModel, quantizeText } from '../../../src/systems/index.ts'
import { systemForConfig } from '../../../src/systems/registry.ts'
import { type LoadWeightsOptions, loadStoredWeights } from '../../../src/systems/stored-weights.ts'
import { compile, int32 } from '../../../src/tensor/index.ts'

/** Matrices of 64 KiB and more, which a runtime maps. */
const sizes = { contextLength: 64, width: 128, layers: 2, heads: 4, keyValueHeads: 4, hidden: 160, vocabularySize: 352 }
const ids = Array.from({ length: 20 }, (_, i) => 3 + ((i * i * 31 + 7 * i) % 340))

let root: string
let scratchRoot: string
beforeAll(() => {
  root = mkdtempSync(join(tmpdir(), 'nextx-stored-'))
  scratchRoot = join(root, 'scratch')
  mkdirSync(scratchRoot)
})
afterAll(() => rmSync(root, { recursive: true }))
beforeEach(() => {
  vi.stubEnv('TMPDIR', scratchRoot)
})
const scratchFolders = () => readdirSync(scratchRoot)

async function ggufFile(architecture: GgufArchitecture, type: GgufType): Promise<string> {
  const path = join(root, `${architecture}-${type}.gguf`)
  if (!existsSync(path)) await writeGguf(path, { architecture, ...sizes }, { type })
  return path
}

type Change = (name: string, tensor: StoredTensor) => StoredTensor

/** A file's network with its weights; what keeps them is the caller's. */
async function load(path: string, options: Omit<LoadWeightsOptions, 'weights'>, change: Change = (_, tensor) => tensor) {
  const checkpoint = await openCheckpoint(path)
  try {
    const system = await systemForConfig(checkpoint.config)
    const settings = system.readConfig(checkpoint.config)
    const network = system.build(settings)
    const tensors = new Map(Array.from(checkpoint.tensors, ([name, tensor]) => [name, change(name, tensor)] as const))
    const place = (key: string) => checkpoint.place(key, system, settings)
    const weights = await loadStoredWeights(network, tensors, place, { weights: 'stored', ...options })
    return { network, checkpoint, weights }
  } catch (error) {
    await checkpoint[Symbol.asyncDispose]()
    throw error
  }
}

async function logitsOf(network: LanguageModel, device: Device): Promise<Float32Array> {
  const program = compile({ ids: int32(1, 'T') }, ({ ids }) => ({ logits: forwardText(network, ids) }), { device, frozen: true })
  const { logits } = await program.run({ ids: { dtype: 'int32', shape: [1, ids.length], data: Int32Array.from(ids) } })
  await program.dispose()
  return logits.data as Float32Array
}

/** Files that variables still lie in. */
function filesOf(network: LanguageModel): Set<string> {
  return new Set([...namedVariables(network).values()].flatMap(({ range }) => range?.source.path ?? []))
}

const drivers = ['onnxruntime-c', 'onnxruntime-node'] as const

describe.each(drivers)('weights of a file (%s)', (driver) => {
  let device: Device
  beforeAll(async () => {
    device = await openDevice({ threads: 1, driver, worker: false })
  })
  afterAll(() => device[Symbol.asyncDispose]())

  it.each([
    ['llama', 'f32', 'scratch file'],
    ['qwen2', 'f32', 'checkpoint'],
    ['qwen2', 'f16', 'scratch file'],
    ['qwen2', 'q8_0', 'scratch file'],
    ['phi3', 'q4_0', 'scratch file'],
  ] as const)('%s in %s, in a %s, are those in memory to the bit', async (architecture, type, where) => {
    const path = await ggufFile(architecture, type)
    const inMemory = await load(path, { mapped: true })
    expect(filesOf(inMemory.network)).toEqual(new Set())
    expect(scratchFolders()).toEqual([])
    const expected = await logitsOf(inMemory.network, device)
    expect(expected.every(Number.isFinite) && new Set(expected).size > 1000).toBe(true)

    const mapped = await load(path, { mapped: true, leastMapped: 1 })
    const files = [...filesOf(mapped.network)]
    if (where === 'checkpoint') expect(files).toEqual([path])
    else expect(files).toEqual([join(scratchRoot, scratchFolders()[0]!, 'weights.bin')])
    expect(scratchFolders()).toHaveLength(where === 'checkpoint' ? 0 : 1)
    expect(await logitsOf(mapped.network, device)).toEqual(expected)
    for (const { weights, checkpoint } of [inMemory, mapped]) {
      await weights[Symbol.asyncDispose]()
      await checkpoint[Symbol.asyncDispose]()
    }
    expect(scratchFolders()).toEqual([])
    expect(await device.memory()).toEqual({ buffers: 0, bytes: 0, sessions: 0 })
  })

  it('come back as the caller wants them', async () => {
    const path = await ggufFile('qwen2', 'q8_0')
    const logits = new Map<unknown, Float32Array>()
    for (const weights of ['stored', 'float32', { bits: 4, blockSize: 32 }] as const) {
      await using model = await loadModel(path, { device, weights })
      const formats = new Set(matricesOf(model.network).map(formatOf))
      expect(formats).toEqual(new Set([{ stored: '8 bits in 32', float32: 'float32' }[String(weights)] ?? '4 bits in 32']))
      logits.set(weights, await logitsOf(model.network, device))
    }
    const [stored, float32, fourBits] = [...logits.values()] as [Float32Array, Float32Array, Float32Array]
    const [eight, four] = [distance(stored, float32), distance(fourBits, float32)]
    console.log(`logits move by ${eight.toFixed(3)} of their size in 8-bit blocks, by ${four.toFixed(3)} in 4-bit blocks`)
    // The same numbers as in float32, but their kernel rounds what they are multiplied with to 8 bits.
    expect(eight).toBeLessThan(0.05)
    expect(four).toBeGreaterThan(2 * eight)
    expect(four).toBeLessThan(0.5)
    await using rounded = await loadModel(path, { device, weights: 'float32' })
    await quantizeText(rounded, { bits: 4, blockSize: 32 })
    expect(await logitsOf(rounded.network, device)).toEqual(fourBits)
  })
})

describe('loading', () => {
  it.each([
    ['qwen2', 'f32'],
    ['phi3', 'f32'],
    ['gpt2', 'q8_0'],
  ] as const)('tells how far it is, up to all bytes of the tensors (%s in %s)', async (architecture, type) => {
    const path = await ggufFile(architecture, type)
    const steps: [number, number][] = []
    const { checkpoint, weights } = await load(path, { mapped: false, onProgress: (...step) => steps.push(step) })
    const bytes = [...checkpoint.tensors.values()].reduce((sum, { byteLength }) => sum + byteLength, 0)
    expect(steps.length).toBeGreaterThanOrEqual(checkpoint.tensors.size)
    expect(new Set(steps.map(([, total]) => total))).toEqual(new Set([bytes]))
    const loaded = steps.map(([done]) => done)
    expect(loaded.every((done, i) => done > (loaded[i - 1] ?? 0))).toBe(true)
    expect(loaded.at(-1)).toBe(bytes)
    await weights[Symbol.asyncDispose]()
    await checkpoint[Symbol.asyncDispose]()
  })

  const mapped = { mapped: true, leastMapped: 1 }

  it.each([
    ['of another shape', MismatchError, (tensor: StoredTensor) => ({ ...tensor, shape: tensor.shape.toReversed() })],
    ['beyond the end of the file', DataError, (tensor: StoredTensor) => ({ ...tensor, byteOffset: 2 ** 40 })],
  ] as const)('a tensor %s is an error that leaves nothing', async (_, error, change) => {
    const path = await ggufFile('llama', 'f32')
    const changed: Change = (name, tensor) => (name === 'blk.1.ffn_down.weight' ? change(tensor) : tensor)
    await expect(load(path, mapped, changed)).rejects.toThrow(error)
    expect(scratchFolders()).toEqual([])
    expect(openFilesIn(root)).toEqual([])
  })

  it.each(['scratch', 'memory'])('that is aborted half-way ends with the reason, and leaves nothing (%s)', async (where) => {
    const path = await ggufFile('llama', 'f32')
    const controller = new AbortController()
    const reason = new Error('enough of it')
    const seen: (readonly [share: number, folders: number])[] = []
    const onProgress = (done: number, total: number) => {
      seen.push([done / total, scratchFolders().length])
      if (done > total / 2) controller.abort(reason)
    }
    const options = { signal: controller.signal, onProgress }
    if (where === 'scratch') await expect(load(path, { ...mapped, ...options })).rejects.toBe(reason)
    else {
      await using device = await openDevice({ threads: 1 })
      await expect(loadModel(path, { device, ...options })).rejects.toBe(reason)
      expect(await device.memory()).toEqual({ buffers: 0, bytes: 0, sessions: 0 })
    }
    expect(seen.at(-1)![0]).toBeLessThan(1)
    expect(seen.at(-1)![1]).toBe(where === 'scratch' ? 1 : 0)
    expect(scratchFolders()).toEqual([])
    expect(openFilesIn(root)).toEqual([])
  })
})

/** Weights of linear layers and embeddings. */
function matricesOf(network: LanguageModel): WeightHolder['weight'][] {
  return [...placesIn(network)].flatMap(({ value }) => (value instanceof WeightHolder ? [value.weight] : []))
}

function formatOf(weight: WeightHolder['weight']): string {
  return weight instanceof QuantizedMatrix ? `${weight.bits} bits in ${weight.blockSize}` : weight.dtype
}

/** Root mean square difference, as a part of the expected values' deviation from 0. */
function distance(actual: Float32Array, expected: Float32Array): number {
  expect(actual).toHaveLength(expected.length)
  const squares = (of: (i: number) => number) => expected.reduce((sum, _, i) => sum + of(i) ** 2, 0)
  return Math.sqrt(squares((i) => actual[i]! - expected[i]!) / squares((i) => expected[i]!))
}

/** Files that the process holds open, where the system tells (Linux). */
function openFilesIn(folder: string): string[] {
  const descriptors = '/proc/self/fd'
  if (!existsSync(descriptors)) return []
  const targets = readdirSync(descriptors).flatMap((name) => {
    try {
      return [readlinkSync(join(descriptors, name))]
    } catch {
      return []
    }
  })
  return targets.filter((target) => target.startsWith(folder))
}
