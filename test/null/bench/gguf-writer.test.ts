import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { getFloat16 } from '@petamoriken/float16'
import { afterAll, expect, it } from 'vitest'
import type { GgufModel } from '../../../bench/lib/gguf-architectures.ts'
import { encodeBlocks, type GgufType, randomBlocks } from '../../../bench/lib/gguf-blocks.ts'
import { writeGguf } from '../../../bench/lib/gguf-writer.ts'
import { halfBits } from '../../../bench/lib/half.ts'
import { uniformGenerator } from '../../../bench/lib/random.ts'
import { fromHalf } from '../../../src/base/half.ts'
import { readGguf, readStoredTensor } from '../../../src/formats/index.ts'
import { openFileSource } from '../../../src/platform/index.ts'

const folder = mkdtempSync(join(tmpdir(), 'gguf-writer-'))
afterAll(() => rmSync(folder, { recursive: true }))

const model: GgufModel = {
  ...{ architecture: 'llama', contextLength: 64, width: 256, layers: 1, heads: 4, keyValueHeads: 2, hidden: 512 },
  vocabularySize: 400,
}

async function written(type: GgufType, seed?: number): Promise<string> {
  const path = join(folder, `${type}-${seed ?? 'default'}.gguf`)
  await writeGguf(path, model, { type, ...(seed !== undefined && { seed }) })
  return path
}

async function valuesOf(path: string, name: string): Promise<Float32Array> {
  await using source = await openFileSource(path)
  const { tensors } = await readGguf(source)
  const { dtype, data } = await readStoredTensor(tensors.get(name)!)
  // The 16-bit floats come as their bits.
  return dtype === 'float32'
    ? (data as Float32Array)
    : Float32Array.from(data as Uint16Array, (bits) => fromHalf(bits, dtype as 'float16' | 'bfloat16'))
}

it('writes the same bytes for the same seed, and others for another', async () => {
  const [first, second, other] = [await written('q8_0'), await written('q8_0', 1), await written('q8_0', 2)].map((path) =>
    readFileSync(path),
  )
  expect(first!.equals(second!)).toBe(true)
  expect(first!.equals(other!)).toBe(false)
})

it('leaves no half-written file behind a name', async () => {
  const path = join(folder, 'broken.gguf')
  await expect(writeGguf(path, { ...model, width: 100 }, { type: 'q8_0' })).rejects.toThrow('do not divide')
  expect(() => readFileSync(path)).toThrow('ENOENT')
})

// Levels are a scale apart: 1/127 and 1/8 of the largest of a block; the scale itself is a float16.
it.each([
  ['f16', 2 ** -11],
  ['bf16', 2 ** -8],
  ['q8_0', 0.54 / 127],
  ['q4_0', 1.01 / 8],
] as const)('rounds the numbers of the float32 file into %s', async (type, share) => {
  const exact = await valuesOf(await written('f32'), 'blk.0.ffn_up.weight')
  const rounded = await valuesOf(await written(type), 'blk.0.ffn_up.weight')
  const largest = exact.reduce((most, value) => Math.max(most, Math.abs(value)), 0)
  expect(largest).toBeCloseTo(Math.sqrt(3 / 256), 2)
  expect(exact.length).toBe(rounded.length)
  const worst = exact.reduce((most, value, i) => Math.max(most, Math.abs(value - rounded[i]!)), 0)
  expect(worst).toBeGreaterThan(0)
  expect(worst).toBeLessThanOrEqual(share * largest)
})

it.each(['q4_1', 'q5_0', 'q5_1', 'q4_k', 'q5_k', 'q6_k'] as const)(
  'makes blocks of %s of mean 0 and the deviation of a layer',
  async (type) => {
    const values = await valuesOf(await written(type), 'blk.0.ffn_up.weight')
    const mean = values.reduce((sum, value) => sum + value, 0) / values.length
    const deviation = Math.sqrt(values.reduce((sum, value) => sum + value ** 2, 0) / values.length)
    expect(Math.abs(mean)).toBeLessThan(0.1 / 16)
    expect(deviation).toBeGreaterThan(0.8 / 16)
    expect(deviation).toBeLessThan(1.25 / 16)
  },
)

it('encodes Q4_0 by the rule of the reference: the extreme number becomes level 0', () => {
  const values = new Float32Array(32)
  values[0] = 4
  values[16] = -1
  const out = new Uint8Array(18)
  encodeBlocks('q4_0', values, out)
  const scale = getFloat16(new DataView(out.buffer), 0, true)
  expect(scale).toBe(-0.5)
  expect(out[2]! & 15).toBe(0)
  // -1 / -0.5 + 8.5, cut.
  expect(out[2]! >> 4).toBe(10)
  expect(out[3]).toBe(0x88)
})

it('refuses numbers that fill no block', () => {
  expect(() => randomBlocks('q4_k', 100, 1, uniformGenerator(1))).toThrow('whole number of blocks')
})

it('rounds to float16 as the library does', () => {
  const view = new DataView(new ArrayBuffer(2))
  for (let bits = 0; bits < 0x7c00; bits += 7) {
    view.setUint16(0, bits)
    const exact = getFloat16(view, 0)
    expect(halfBits(exact)).toBe(bits)
    expect(halfBits(-exact)).toBe(bits | 0x8000)
    view.setUint16(0, bits + 1)
    const next = getFloat16(view, 0)
    // Halfway between neighbours, the even one.
    if (Number.isFinite(next)) expect(halfBits((exact + next) / 2)).toBe(bits % 2 === 0 ? bits : bits + 1)
  }
})
