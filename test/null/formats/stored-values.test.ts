import { createHash } from 'node:crypto'
import { getFloat16 } from '@petamoriken/float16'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { type ByteSource, memorySource } from '../../../src/base/byte-source.ts'
import { bytesPerElement, elementCount } from '../../../src/base/dtype.ts'
import { DataError, FormatError, ShapeError } from '../../../src/base/errors.ts'
import { fromHalf, halfAt, toHalf } from '../../../src/base/half.ts'
import type { BlockType, StorageType } from '../../../src/base/stored-tensor.ts'
import { blockSizes, readStoredTensor } from '../../../src/formats/index.ts'
import { blockTypes, elementOf, fieldOf } from './block-oracle.ts'
import { allDtypes, anyTensor, bits } from './tensors.ts'

/** Reads `bytes` as a tensor that lies in the middle of a file. */
async function read(type: StorageType, shape: readonly number[], bytes: Uint8Array, byteOffset = 3) {
  const file = new Uint8Array(byteOffset + bytes.length + 5).fill(0xaa)
  file.set(bytes, byteOffset)
  return readStoredTensor({ type, shape, source: memorySource(file, 'file'), byteOffset, byteLength: bytes.length })
}

describe('blocks', () => {
  /** A block with these fields; scales of float16 are given as numbers. */
  function block(type: BlockType, fields: Readonly<Record<string, number | readonly number[]>>): Uint8Array {
    const bytes = new Uint8Array(blockSizes[type].bytes)
    for (const [name, value] of Object.entries(fields)) {
      const field = fieldOf(type, bytes, name)
      if (typeof value !== 'number') field.set(value)
      else new DataView(field.buffer, field.byteOffset).setUint16(0, toHalf(value, 'float16'), true)
    }
    return bytes
  }

  /** The same value at the elements from `start` to before `end`. */
  const span = (start: number, end: number, value: number): Record<number, number> =>
    Object.fromEntries(Array.from({ length: end - start }, (_, index) => [start + index, value]))
  /** Byte 0 has the halves 1 and 2, all others 0. */
  const first = [0x21]

  test.each<[BlockType, Parameters<typeof block>[1], Readonly<Record<number, number>>, number]>([
    ['q8_0', { d: 0.5, qs: [1, 0xff, 127, 128] }, { 0: 0.5, 1: -0.5, 2: 63.5, 3: -64 }, 0],
    ['q4_0', { d: 0.5, qs: first }, { 0: -3.5, 16: -3 }, -4],
    ['q4_1', { d: 0.5, m: -10, qs: first }, { 0: -9.5, 16: -9 }, -10],
    ['q5_0', { d: 0.5, qh: [2, 0, 1, 0x80], qs: first }, { 0: -7.5, 16: 1, 1: 0, 31: 0 }, -8],
    ['q5_1', { d: 0.5, m: 3, qh: [2, 0, 1, 0x80], qs: first }, { 0: 3.5, 16: 12, 1: 11, 31: 11 }, 3],
    // Scale and minimum of part 0 are 2 and 3, of part 1 63 and 0.
    ['q4_k', { d: 0.5, m: 0.25, scales: [2, 63, 0, 0, 3], qs: first }, { 0: 0.25, 32: 63, ...span(1, 32, -0.75) }, 0],
    // Of part 4, whose bits are spread, 0b10_0101 and 0b01_1010: the high bits on top of bytes 0 and 4.
    [
      'q4_k',
      { d: 1, m: 1, scales: [0x80, 0, 0, 0, 0x40, 0, 0, 0, 0xa5], qs: [...Array(64).fill(0), 1] },
      { 128: 37 - 26, ...span(129, 160, -26) },
      0,
    ],
    // Element 0 of part 0 and element 1 of part 1 have their fifth bit.
    [
      'q5_k',
      { d: 0.5, m: 0.25, scales: [2, 2, 0, 0, 3, 0], qh: [1, 2], qs: first },
      { 0: 16.25, 32: 2, 33: 16, ...span(1, 32, -0.75) },
      0,
    ],
    // Codes 33 and 34 (0x21 with high bits 2 and 2) at elements 0 and 64; the others of parts 0 and 4 are 0 - 32.
    [
      'q6_k',
      { d: 0.5, scales: [2, 0, 0, 0, 0xff], qs: first, qh: [0b00_10_00_10] },
      { 0: 1, 64: -1, ...span(1, 16, -32), ...span(65, 80, 16) },
      0,
    ],
  ])('%s by hand', async (type, fields, changed, otherwise) => {
    const { elements } = blockSizes[type]
    const { dtype, shape, data } = await read(type, [1, elements], block(type, fields))
    expect({ dtype, shape }).toEqual({ dtype: 'float32', shape: [1, elements] })
    const expected = Array.from({ length: elements }, (_, index) => changed[index] ?? otherwise)
    // Whether a zero is negative is left to the next test.
    expect(Array.from(data as Float32Array, (value) => value + 0)).toEqual(expected)
  })

  test.each(blockTypes)('%s equals the definition, element by element, whatever the bytes', async (type) => {
    const { elements, bytes } = blockSizes[type]
    await fc.assert(
      fc.asyncProperty(fc.uint8Array({ minLength: 2 * bytes, maxLength: 2 * bytes }), async (blocks) => {
        const { data } = await read(type, [2, elements], blocks)
        const expected = Array.from({ length: 2 * elements }, (_, index) => {
          const start = index < elements ? 0 : bytes
          return elementOf(type, blocks.subarray(start, start + bytes), index % elements)
        })
        // Object.is tells zeros apart and takes all NaNs for one.
        expect(expected.findIndex((value, index) => !Object.is(value, data[index]))).toBe(-1)
      }),
      { numRuns: 40, seed: 1 },
    )
  })

  /**
   * SHA-256 of the float32 values that gguf 0.19.0 (Python, `gguf.quants.dequantize`) makes of 64 blocks: the top bytes of the
   * sequence x ← 1664525 x + 1013904223 mod 2³² from x = 1, with bit 6 of the high byte of each float16 cleared.
   */
  const digests: Readonly<Record<BlockType, readonly [string, ...halves: number[]]>> = {
    q8_0: ['5cd30fbd5c5638425ca4d93fd54f9940b1f1c1e4c3f60f285f19c4f37e27f8c1', 0],
    q4_0: ['b898027311482795e3b3ec86f2c507c723e26e0dc6928abbb93065dd56d30a4c', 0],
    q4_1: ['d85182e3542dad27df10af4ff5cf3885e73b5be8ca540df928f612c4de0ce0b8', 0, 2],
    q5_0: ['b6f81b395603fa9598b52515cd365058012c42a9adccd49c54ae55285d5a5cf0', 0],
    q5_1: ['af296a3c3eaba5b00b390bf5aa1eb3cfddd4e2515319eecf4d760313cc0cf81d', 0, 2],
    q4_k: ['31ef4ef4b1ba3983278064e1b2b10cd22f1184a565833a7ae9d517bda9e1c07b', 0, 2],
    q5_k: ['c47acdcad141e20b68ebf360b6910a81e17d548b15ce4561e3c662858a4bb39e', 0, 2],
    q6_k: ['d9b070473ff7851ad3a30bc804f3424c2cb8fcabd2960a0ae058772ae6cda1a6', 208],
  }

  test.each(blockTypes)('%s equals what another program reads, bit for bit', async (type) => {
    const { elements, bytes } = blockSizes[type]
    const [digest, ...halves] = digests[type]
    const blocks = new Uint8Array(64 * bytes)
    let state = 1
    for (let index = 0; index < blocks.length; index++) {
      state = (Math.imul(state, 1664525) + 1013904223) | 0
      blocks[index] = state >>> 24
      if (halves.includes((index % bytes) - 1)) blocks[index]! &= 0xbf
    }
    const { data } = await read(type, [64, elements], blocks)
    expect(createHash('sha256').update(new Uint8Array(data.buffer)).digest('hex')).toBe(digest)
  })

  test.each(blockTypes)('a %s tensor that is read in several pieces has them in their places', async (type) => {
    const { elements, bytes } = blockSizes[type]
    const count = Math.floor(2 ** 22 / bytes) + 2
    const blocks = new Uint8Array(count * bytes)
    for (let index = 0; index < blocks.length; index++) blocks[index] = (Math.imul(index, 2654435761) >>> 20) & 0x3f
    const { data } = await read(type, [count * elements], blocks)
    expect(data.length).toBe(count * elements)
    for (const block of [0, count - 3, count - 2, count - 1]) {
      const own = blocks.subarray(block * bytes, (block + 1) * bytes)
      expect(data[block * elements + 17], `block ${block}`).toBe(elementOf(type, own, 17))
    }
  })
})

test('every float16 is read as the library reads it', () => {
  const view = new DataView(new ArrayBuffer(2))
  let different = 0
  for (let half = 0; half < 2 ** 16; half++) {
    view.setUint16(0, half, true)
    const expected = getFloat16(view, 0, true)
    if (!Object.is(halfAt(view, 0), expected) || !Object.is(fromHalf(half, 'float16'), expected)) different++
  }
  expect(different).toBe(0)
})

describe('plain types', () => {
  test('come as they are, wherever they lie', async () => {
    await fc.assert(
      fc.asyncProperty(anyTensor, fc.nat({ max: 9 }), async (tensor, offset) => {
        const bytes = new Uint8Array(tensor.data.buffer)
        expect(bits(await read(tensor.dtype, tensor.shape, bytes, offset))).toEqual(bits(tensor))
      }),
      { seed: 1 },
    )
  })

  test.each(allDtypes)('aligned %s is a view of what the source gave', async (dtype) => {
    const file = new Uint8Array(64)
    const tensor = {
      type: dtype,
      shape: [1],
      source: memorySource(file, 'file'),
      byteOffset: 8,
      byteLength: bytesPerElement[dtype],
    }
    expect((await readStoredTensor(tensor)).data.buffer).toBe(file.buffer)
  })

  test('a bool is 0 or 1', async () => {
    await expect(read('bool', [2], Uint8Array.of(1, 2))).rejects.toThrow(FormatError)
    await expect(read('bool', [2], Uint8Array.of(1, 2))).rejects.toThrow(/bool tensor of 'file' holds 2; expected 0 or 1/)
  })
})

describe('what is refused', () => {
  test.each<[string, StorageType, number[], number]>([
    ['too few bytes', 'float32', [2], 7],
    ['too many bytes', 'q8_0', [32], 35],
    ['rows that are no whole blocks', 'q8_0', [2, 16], 34],
    ['a negative dimension', 'float32', [-1, -2], 8],
  ])('%s', async (_name, type, shape, bytes) => {
    await expect(read(type, shape, new Uint8Array(bytes))).rejects.toThrow(ShapeError)
  })

  test('a tensor beyond the source, or a source that gives less', async () => {
    const tensor = { type: 'float32', shape: [4], byteOffset: 0, byteLength: 16 } as const
    await expect(readStoredTensor({ ...tensor, source: memorySource(new Uint8Array(15), 'file') })).rejects.toThrow(DataError)
    const short: ByteSource = { name: 'file', byteLength: 16, read: async () => new Uint8Array(12) }
    await expect(readStoredTensor({ ...tensor, source: short })).rejects.toThrow(/'file' gave 12 bytes from byte 0; expected 16/)
  })

  test('values that fit no array, before anything is read', async () => {
    const source: ByteSource = { name: 'file', byteLength: 2 ** 40, read: () => Promise.reject(new Error('was read')) }
    const shape = [2 ** 26, 32]
    const byteLength = (elementCount(shape) / 32) * 18
    const reading = readStoredTensor({ type: 'q4_0', shape, source, byteOffset: 0, byteLength })
    await expect(reading).rejects.toThrow(DataError)
    await expect(reading).rejects.toThrow(/does not fit one array; expected at most 4294967296 bytes/)
  })
})
