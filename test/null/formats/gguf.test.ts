import { existsSync, readFileSync } from 'node:fs'
import { describe, expect, test } from 'vitest'
import { type ByteSource, memorySource } from '../../../src/base/byte-source.ts'
import { openSafetensors, readGguf, readStoredTensor } from '../../../src/formats/index.ts'
import {
  arrayOf,
  bytesOf,
  entry,
  float32,
  ggufFile,
  stringsOf,
  tensorInfo,
  tensorTypes,
  text,
  uint32,
  uint64,
  valueTypes,
} from './gguf-files.ts'

/** A source that remembers what was read of it. */
function watched(bytes: Uint8Array): ByteSource & { readonly reads: { offset: number; length: number }[] } {
  const reads: { offset: number; length: number }[] = []
  const { read, ...rest } = memorySource(bytes, 'file')
  return {
    ...rest,
    reads,
    read: (offset, length) => {
      reads.push({ offset, length })
      return read(offset, length)
    },
  }
}

describe('metadata', () => {
  test.each<[keyof typeof valueTypes, Uint8Array, unknown]>([
    ['uint8', Uint8Array.of(200), 200],
    ['int8', Uint8Array.of(200), -56],
    ['uint16', Uint8Array.of(1, 255), 65_281],
    ['int16', Uint8Array.of(1, 255), -255],
    ['uint32', uint32(-1), 4_294_967_295],
    ['int32', uint32(-1), -1],
    ['float32', float32(0.1), Math.fround(0.1)],
    ['bool', Uint8Array.of(1), true],
    ['bool', Uint8Array.of(0), false],
    ['string', text('é😀\0'), 'é😀\0'],
    ['string', text(''), ''],
    ['string', text('\ufeffa'), '\ufeffa'],
    ['uint64', uint64(2 ** 53 - 1), 2 ** 53 - 1],
    ['uint64', uint64(2n ** 64n - 1n), 2n ** 64n - 1n],
    ['int64', uint64(2n ** 64n - 5n), -5],
    ['int64', uint64(2n ** 63n), -(2n ** 63n)],
    ['float64', new Uint8Array(Float64Array.of(0.1).buffer), 0.1],
  ])('%s %j', async (type, bytes, value) => {
    const { metadata } = await readGguf(memorySource(ggufFile({ entries: [entry('k', valueTypes[type], bytes)] }), 'file'))
    expect(metadata).toEqual(new Map([['k', value]]))
  })

  test.each<[keyof typeof valueTypes, Uint8Array[], unknown]>([
    ['uint8', [Uint8Array.of(200)], Uint8Array.of(200)],
    ['int8', [Uint8Array.of(200)], Int8Array.of(-56)],
    ['uint16', [Uint8Array.of(1, 255)], Uint16Array.of(65_281)],
    ['int16', [Uint8Array.of(1, 255)], Int16Array.of(-255)],
    ['uint32', [uint32(7), uint32(-1)], Uint32Array.of(7, 4_294_967_295)],
    ['int32', [uint32(7), uint32(-1)], Int32Array.of(7, -1)],
    ['float32', [float32(0.1)], Float32Array.of(0.1)],
    ['bool', [Uint8Array.of(1), Uint8Array.of(0)], [true, false]],
    ['string', ['a', '', 'é', '😀b', 'c'.repeat(70_000), 'd'].map(text), ['a', '', 'é', '😀b', 'c'.repeat(70_000), 'd']],
    ['string', [], []],
    ['uint64', [uint64(2n ** 64n - 1n)], BigUint64Array.of(2n ** 64n - 1n)],
    ['int64', [uint64(2n ** 64n - 1n)], BigInt64Array.of(-1n)],
    ['float64', [new Uint8Array(Float64Array.of(0.1).buffer)], Float64Array.of(0.1)],
    ['array', [arrayOf(valueTypes.uint8, [Uint8Array.of(1)]), stringsOf(['a'])], [Uint8Array.of(1), ['a']]],
  ])('an array of %s', async (type, items, value) => {
    const entries = [entry('k', valueTypes.array, arrayOf(valueTypes[type], items))]
    expect((await readGguf(memorySource(ggufFile({ entries }), 'file'))).metadata).toEqual(new Map([['k', value]]))
  })

  test('keys that objects have of themselves are keys like any other, in their order', async () => {
    const entries = ['toString', '__proto__', '1', '0'].map((key) => entry(key, valueTypes.uint8, Uint8Array.of(1)))
    const { metadata } = await readGguf(memorySource(ggufFile({ entries }), 'file'))
    expect([...metadata.keys()]).toEqual(['toString', '__proto__', '1', '0'])
  })
})

describe('tensors', () => {
  const rows = (name: string, type: number, offset: number) => tensorInfo({ name, type, offset, dimensions: [256, 2] })

  test('have their type, their shape outermost first, and their place, in the order of the file', async () => {
    const sizes = { F32: 2048, F16: 1024, Q4_0: 288, Q4_1: 320, Q5_0: 352, Q5_1: 384, Q8_0: 544, Q4_K: 288, Q5_K: 352, Q6_K: 420 }
    let offset = 0
    const tensors = Object.entries(sizes).map(([type, bytes]) => {
      const info = rows(type, tensorTypes[type as keyof typeof tensorTypes], offset)
      offset += Math.ceil(bytes / 32) * 32
      return info
    })
    tensors.push(rows('BF16', tensorTypes.BF16, offset))
    const file = ggufFile({ tensors, data: new Uint8Array(offset + 1024) })
    const source = memorySource(file, 'file')
    const read = await readGguf(source)
    const start = file.length - offset - 1024
    const places = [...read.tensors].map(([name, { type, shape, byteOffset, byteLength }]) => {
      expect(shape).toEqual([2, 256])
      return [name, type, byteOffset - start, byteLength]
    })
    expect(places).toEqual([
      ['F32', 'float32', 0, 2048],
      ['F16', 'float16', 2048, 1024],
      ['Q4_0', 'q4_0', 3072, 288],
      ['Q4_1', 'q4_1', 3360, 320],
      ['Q5_0', 'q5_0', 3680, 352],
      ['Q5_1', 'q5_1', 4032, 384],
      ['Q8_0', 'q8_0', 4416, 544],
      ['Q4_K', 'q4_k', 4960, 288],
      ['Q5_K', 'q5_k', 5248, 352],
      ['Q6_K', 'q6_k', 5600, 420],
      ['BF16', 'bfloat16', 6048, 1024],
    ])
    expect(read.tensors.get('F32')?.source).toBe(source)
  })

  test.each([
    ['four dimensions', [5, 4, 3, 2], [2, 3, 4, 5]],
    ['one dimension', [3], [3]],
    ['a scalar', [], []],
  ])('%s', async (_name, dimensions, shape) => {
    const tensors = [tensorInfo({ dimensions })]
    const { tensors: read } = await readGguf(memorySource(ggufFile({ tensors, data: new Uint8Array(480) }), 'file'))
    expect(read.get('w')?.shape).toEqual(shape)
  })

  test('lie where the alignment of the file puts them, whatever the order of the header', async () => {
    const entries = [entry('general.alignment', valueTypes.uint32, uint32(8))]
    const tensors = [tensorInfo({ name: 'b', offset: 8 }), tensorInfo({ name: 'a', dimensions: [1] })]
    const file = ggufFile({ entries, tensors, alignment: 8, data: new Uint8Array(16) })
    const { tensors: read } = await readGguf(memorySource(file, 'file'))
    expect([...read].map(([name, { byteOffset }]) => [name, file.length - byteOffset])).toEqual([
      ['b', 8],
      ['a', 16],
    ])
  })

  test('version 2 is read like version 3; bytes after the last tensor are left alone', async () => {
    const file = ggufFile({ version: 2, tensors: [tensorInfo({})], data: new Uint8Array(100) })
    const { version, tensors } = await readGguf(memorySource(file, 'file'))
    expect(version).toBe(2)
    expect(tensors.get('w')).toMatchObject({ byteLength: 8 })
  })
})

describe('reading in windows', () => {
  const words = Array.from({ length: 60_000 }, (_, index) => `é${index}`)

  test('whatever lies across the end of a window comes out whole', async () => {
    // Pads of every length up to a whole item move all that follows across the first end of a window.
    for (let pad = 0; pad < 24; pad++) {
      const entries = [
        entry('pad', valueTypes.string, text('p'.repeat(65_420 + 4 * pad))),
        entry('words', valueTypes.array, stringsOf(words.slice(0, 20))),
        entry('numbers', valueTypes.array, arrayOf(valueTypes.uint32, [uint32(1), uint32(2)])),
        entry('number', valueTypes.uint64, uint64(7)),
      ]
      const file = ggufFile({ entries, tensors: [tensorInfo({ dimensions: [2, 1] })], data: new Uint8Array(8) })
      const { metadata, tensors } = await readGguf(memorySource(file, 'file'))
      expect(metadata.get('words')).toEqual(words.slice(0, 20))
      expect(metadata.get('numbers')).toEqual(Uint32Array.of(1, 2))
      expect(metadata.get('number')).toBe(7)
      expect(tensors.get('w')).toMatchObject({ shape: [1, 2], byteOffset: file.length - 8 })
    }
  })

  test('a large vocabulary takes a few reads, none far beyond the header, and the data none', async () => {
    const header = ggufFile({
      entries: [entry('words', valueTypes.array, stringsOf(words))],
      tensors: [tensorInfo({ dimensions: [2 ** 22] })],
    })
    const data = 2 ** 24
    const source = watched(bytesOf(header, new Uint8Array(-header.length & 31), new Uint8Array(data)))
    const { metadata } = await readGguf(source)
    expect(metadata.get('words')).toEqual(words)
    expect(source.reads.length).toBeLessThan(10)
    expect(Math.max(...source.reads.map(({ offset, length }) => offset + length))).toBeLessThan(2.5 * header.length)
  })
})

describe('a published checkpoint', () => {
  const folder = `${process.env.NEXTX_DATA}/models/lm-stories260K`
  const isThere = existsSync(folder)
  if (!isThere) console.info('skipped: NEXTX_DATA does not lead to lm-stories260K')
  const file = (name: string) => memorySource(readFileSync(`${folder}/${name}`), name)

  test.skipIf(!isThere)('has its hyperparameters and vocabulary', async () => {
    const { metadata } = await readGguf(file('stories260K-f32.gguf'))
    expect(metadata.get('general.architecture')).toBe('llama')
    expect(metadata.get('llama.attention.layer_norm_rms_epsilon')).toBe(Math.fround(1e-5))
    const pieces: [string, number][] = JSON.parse(readFileSync(`${folder}/tok512.json`, 'utf8'))
    const tokens = metadata.get('tokenizer.ggml.tokens') as string[]
    // The other file has spaces for '▁', and bytes and special tokens of its own.
    expect(tokens.slice(259).map((token) => token.replaceAll('▁', ' '))).toEqual(pieces.slice(259).map(([piece]) => piece))
    const scores = metadata.get('tokenizer.ggml.scores') as Float32Array
    expect([...scores.slice(259)]).toEqual(pieces.slice(259).map(([, score]) => score))
  })

  test.skipIf(!isThere)('has the weights that were converted to safetensors on another way', async () => {
    const { tensors } = await readGguf(file('stories260K-f32.gguf'))
    const { tensors: converted } = await openSafetensors(file('model.safetensors'))
    const unmatched = new Set(converted.keys())
    for (const [name, stored] of tensors) {
      const other = nameOf(name)
      const [expected, { shape, data }] = await Promise.all([readStoredTensor(converted.get(other)!), readStoredTensor(stored)])
      expect(shape, name).toEqual(expected.shape)
      const heads = name.includes('attn_q') ? 8 : name.includes('attn_k') ? 4 : undefined
      const same = heads === undefined ? data : halvesApart(data as Float32Array, shape, heads)
      expect(Buffer.compare(viewOf(same), viewOf(expected.data)), name).toBe(0)
      unmatched.delete(other)
    }
    expect(unmatched).toEqual(new Set())
  })
})

const names: Readonly<Record<string, string>> = {
  token_embd: 'model.embed_tokens',
  // Tied, and written twice.
  output: 'model.embed_tokens',
  output_norm: 'model.norm',
  attn_norm: 'input_layernorm',
  attn_q: 'self_attn.q_proj',
  attn_k: 'self_attn.k_proj',
  attn_v: 'self_attn.v_proj',
  attn_output: 'self_attn.o_proj',
  ffn_norm: 'post_attention_layernorm',
  ffn_gate: 'mlp.gate_proj',
  ffn_up: 'mlp.up_proj',
  ffn_down: 'mlp.down_proj',
}

function viewOf({ buffer, byteOffset, byteLength }: ArrayBufferView): Uint8Array {
  return new Uint8Array(buffer, byteOffset, byteLength)
}

/** Hugging Face's name of a tensor of llama.cpp. */
function nameOf(name: string): string {
  const [, layer, part] = /^(?:blk\.(\d+)\.)?(\w+)\.weight$/.exec(name)!
  return `${layer === undefined ? '' : `model.layers.${layer}.`}${names[part!]}.weight`
}

/** Rows 2i and 2i + 1 of each head, which rotate together, become rows i and i + half. */
function halvesApart(data: Float32Array, [rows, columns]: readonly number[], heads: number): Float32Array {
  const moved = new Float32Array(data.length)
  const headRows = rows! / heads
  for (let row = 0; row < rows!; row++) {
    const [head, inHead] = [Math.floor(row / headRows), row % headRows]
    const to = head * headRows + (inHead % 2) * (headRows / 2) + Math.floor(inHead / 2)
    moved.set(data.subarray(row * columns!, (row + 1) * columns!), to * columns!)
  }
  return moved
}
