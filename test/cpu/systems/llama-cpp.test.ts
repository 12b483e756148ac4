import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { architectureMetadata, type GgufArchitecture, type GgufModel } from '../../../bench/lib/gguf-architectures.ts'
import { type GgufOptions, writeGguf } from '../../../bench/lib/gguf-writer.ts'
import { type Device, openDevice } from '../../../src/platform/index.ts'
import { nextxLogits, startLlamaCpp } from './gguf-networks.ts'

const sizes = {
  contextLength: 64,
  width: 64,
  layers: 3,
  heads: 4,
  keyValueHeads: 2,
  headWidth: 16,
  hidden: 96,
  vocabularySize: 352,
}
/** Longer than the windows below, and than the trained contexts of scaled models. */
const tokens = Array.from({ length: 40 }, (_, i) => 3 + ((i * i * 31 + 7 * i) % 340))

type Case = [name: string, architecture: GgufArchitecture, sizes?: Partial<GgufModel>, options?: Partial<GgufOptions>]

const float = (value: number) => ({ type: 'f32', value }) as const
const text = (value: string) => ({ type: 'string', value }) as const
const whole = (value: number) => ({ type: 'u32', value }) as const

/** Of all matrices of a llama's layers. */
function biases(): Record<string, Float32Array> {
  const { width, heads, keyValueHeads, headWidth, hidden, layers } = sizes
  const lengths = {
    attn_q: heads * headWidth,
    attn_k: keyValueHeads * headWidth,
    attn_v: keyValueHeads * headWidth,
    attn_output: width,
    ffn_gate: hidden,
    ffn_up: hidden,
    ffn_down: width,
  }
  const wave = (length: number, shift: number) => Float32Array.from({ length }, (_, i) => Math.sin(1.7 * i + shift))
  const named = Object.entries(lengths).flatMap(([part, length], i) =>
    Array.from({ length: layers }, (_, layer) => [`blk.${layer}.${part}.bias`, wave(length, i + 10 * layer)] as const),
  )
  return Object.fromEntries(named)
}

/** A llama's records under another architecture, of the same tensors. */
function renamedMetadata(architecture: string, own: Partial<GgufModel>): NonNullable<GgufOptions['metadata']> {
  const records = Object.entries(architectureMetadata({ architecture: 'llama', ...sizes, ...own }))
  const renamed = records.map(([key, value]) => [key.replace('llama.', `${architecture}.`), value] as const)
  return { 'general.architecture': text(architecture), ...Object.fromEntries(renamed) }
}

const cases: Case[] = [
  ['llama', 'llama'],
  ['llama, tied, with another base', 'llama', { tiedHead: true, ropeBase: 500 }],
  [
    'llama, stretched linearly',
    'llama',
    {},
    { metadata: { 'llama.rope.scaling.type': text('linear'), 'llama.rope.scaling.factor': float(4) } },
  ],
  [
    'llama, stretched by YaRN',
    'llama',
    {},
    {
      metadata: {
        'llama.rope.scaling.type': text('yarn'),
        'llama.rope.scaling.factor': float(4),
        'llama.rope.scaling.original_context_length': whole(16),
      },
    },
  ],
  [
    'llama, with factors of frequencies',
    'llama',
    {},
    { vectors: { 'rope_freqs.weight': Float32Array.of(1, 1, 1.5, 2, 3, 5, 8, 8) } },
  ],
  ['llama, with biases', 'llama', {}, { vectors: biases() }],
  ['smollm3, whose fourth layer has no positions', 'llama', { layers: 5 }, { metadata: renamedMetadata('smollm3', { layers: 5 }) }],
  ['qwen2', 'qwen2'],
  ['qwen3', 'qwen3', { headWidth: 24 }],
  ['gemma', 'gemma', { headWidth: 24, keyValueHeads: 1 }],
  ['gemma2', 'gemma2', { slidingWindow: 8 }],
  ['gemma3', 'gemma3', { slidingWindow: 8, layers: 7, ropeBase: 100000 }],
  [
    'gemma3, stretched where it sees all',
    'gemma3',
    { slidingWindow: 8, layers: 6 },
    { metadata: { 'gemma3.rope.scaling.type': text('linear'), 'gemma3.rope.scaling.factor': float(8) } },
  ],
  ['gpt2', 'gpt2', { keyValueHeads: 4 }],
  ['phi2', 'phi2', { keyValueHeads: 4 }],
  ['phi3', 'phi3', { keyValueHeads: 4 }],
  [
    'phi3, with searched factors',
    'phi3',
    {},
    {
      metadata: {
        'phi3.rope.scaling.original_context_length': whole(16),
        'phi3.rope.scaling.attn_factor': float(1.2),
      },
      vectors: {
        'rope_factors_long.weight': Float32Array.of(1, 1.2, 1.5, 2, 4, 8, 16, 32),
        'rope_factors_short.weight': Float32Array.of(1, 1, 1, 1, 1.1, 1.2, 1.3, 1.4),
      },
    },
  ],
]

/** Their tanh-GELU: llama.cpp reads it from a table of 16-bit floats. */
const tabulated = new Set<GgufArchitecture>(['gemma', 'gemma2', 'gemma3', 'gpt2', 'phi2'])

describe('random networks in GGUF files give the logits of llama.cpp', () => {
  let device: Device
  let llamaCpp: Awaited<ReturnType<typeof startLlamaCpp>>
  beforeAll(async () => {
    device = await openDevice({ threads: 1, worker: false })
    llamaCpp = await startLlamaCpp()
  }, 120_000)
  afterAll(async () => {
    await llamaCpp.close()
    await device[Symbol.asyncDispose]()
  }, 60_000)

  it.each(cases)('%s', async (name, architecture, own = {}, options = {}) => {
    const path = join(llamaCpp.folder, `${name.replace(/\W+/g, '-')}.gguf`)
    await writeGguf(path, { architecture, ...sizes, ...own }, { type: 'f32', ...options })
    const expected = await llamaCpp.logits(path, tokens)
    const actual = await nextxLogits(device)(path, tokens)
    const spread = deviation(expected.flat())
    const worst = Math.max(...expected.flatMap((row, i) => row.map((value, j) => Math.abs(value - actual[i]![j]!))))
    console.log(`${name}: largest difference ${worst.toExponential(1)} where logits deviate by ${spread.toFixed(2)}`)
    expect(spread).toBeGreaterThan(0.1)
    expect(worst).toBeLessThan((tabulated.has(architecture) ? 5e-3 : 5e-5) * spread)
    expect(actual.map(largest)).toEqual(expected.map(largest))
  })
})

function deviation(values: readonly number[]): number {
  const mean = values.reduce((sum, x) => sum + x, 0) / values.length
  return Math.sqrt(values.reduce((sum, x) => sum + (x - mean) ** 2, 0) / values.length)
}

const largest = (row: readonly number[]) => row.indexOf(Math.max(...row))
