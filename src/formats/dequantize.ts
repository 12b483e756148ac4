import { halfAt } from '../base/half.ts'
import type { BlockType } from '../base/stored-tensor.ts'
import { blockSizes } from './block-types.ts'

/**
 * Writes the elements of one block, which begins at byte `at` of `bytes`, into `out` from `to`. In all types, scale times element is
 * exact in a double, and so is what a minimum adds to it: the result is rounded once, as in ggml's float32.
 */
type Dequantize = (block: Block, out: Float32Array, to: number) => void

interface Block {
  readonly bytes: Uint8Array
  readonly view: DataView
  readonly at: number
}

/** Adding it changes no number, not even a negative zero. */
const nothing = -0

/**
 * Layouts, in bytes (`d`, `m` are float16; ggml-common.h):
 *
 * - q8_0: d, 32 × int8
 * - q4_0: d, 16 bytes of nibbles (the low ones are the first 16 elements); q4_1: d, m, nibbles
 * - q5_0: d, 32 fifth bits, nibbles; q5_1: d, m, fifth bits, nibbles
 * - q4_k: d, m, 12 bytes of 8 scales and 8 minima, 128 bytes of nibbles; q5_k: 32 bytes of fifth bits before the nibbles
 * - q6_k: 128 bytes of nibbles, 64 bytes of pairs of high bits, 16 × int8 scales, d
 */
const dequantizers: Readonly<Record<BlockType, Dequantize>> = {
  q8_0({ bytes, view, at }, out, to) {
    const scale = halfAt(view, at)
    for (let index = 0; index < 32; index++) out[to + index] = ((bytes[at + 2 + index]! << 24) >> 24) * scale
  },
  q4_0: ({ bytes, view, at }, out, to) =>
    writeNibbles(bytes, at + 2, { high: 0, zero: 8, scale: halfAt(view, at), shift: nothing }, out, to),
  q4_1: ({ bytes, view, at }, out, to) =>
    writeNibbles(bytes, at + 4, { high: 0, zero: 0, scale: halfAt(view, at), shift: halfAt(view, at + 2) }, out, to),
  q5_0: ({ bytes, view, at }, out, to) =>
    writeNibbles(bytes, at + 6, { high: view.getInt32(at + 2, true), zero: 16, scale: halfAt(view, at), shift: nothing }, out, to),
  q5_1({ bytes, view, at }, out, to) {
    const high = view.getInt32(at + 4, true)
    writeNibbles(bytes, at + 8, { high, zero: 0, scale: halfAt(view, at), shift: halfAt(view, at + 2) }, out, to)
  },
  q4_k: (block, out, to) => writeSuperBlock(block, undefined, block.at + 16, out, to),
  q5_k: (block, out, to) => writeSuperBlock(block, block.at + 16, block.at + 48, out, to),
  q6_k: writeSixBits,
}

interface NibbleScaling {
  /** Bit i is the fifth bit of element i. */
  readonly high: number
  /** The code that stands for zero. */
  readonly zero: number
  readonly scale: number
  readonly shift: number
}

/** 32 elements: (code - zero) · scale + shift. */
function writeNibbles(bytes: Uint8Array, at: number, scaling: NibbleScaling, out: Float32Array, to: number): void {
  const { high, zero, scale, shift } = scaling
  for (let index = 0; index < 16; index++) {
    const pair = bytes[at + index]!
    const low = (pair & 15) | (((high >>> index) & 1) << 4)
    const top = (pair >>> 4) | (((high >>> (index + 16)) & 1) << 4)
    out[to + index] = (low - zero) * scale + shift
    out[to + 16 + index] = (top - zero) * scale + shift
  }
}

/** 8 times 32 elements: code · (d · scale) - m · minimum. Element i of part p has its fifth bit in bit p of byte i of `high`. */
function writeSuperBlock(
  { bytes, view, at }: Block,
  high: number | undefined,
  nibbles: number,
  out: Float32Array,
  to: number,
): void {
  const superScale = halfAt(view, at)
  const superMinimum = halfAt(view, at + 2)
  for (let part = 0; part < 8; part++) {
    const scale = superScale * scaleOf(bytes, at + 4, part)
    const minimum = superMinimum * minimumOf(bytes, at + 4, part)
    const first = nibbles + 32 * (part >> 1)
    const right = 4 * (part & 1)
    const start = to + 32 * part
    if (high === undefined) {
      for (let index = 0; index < 32; index++) out[start + index] = ((bytes[first + index]! >>> right) & 15) * scale - minimum
    } else {
      for (let index = 0; index < 32; index++) {
        const fifth = ((bytes[high + index]! >>> part) & 1) << 4
        out[start + index] = (((bytes[first + index]! >>> right) & 15) | fifth) * scale - minimum
      }
    }
  }
}

/** Six bits: the first four in the low bits of bytes 0–3; of the others, four bits in bytes 8–11 and two on top of bytes 0–3. */
function scaleOf(bytes: Uint8Array, at: number, part: number): number {
  if (part < 4) return bytes[at + part]! & 63
  return (bytes[at + part + 4]! & 15) | ((bytes[at + part - 4]! >>> 6) << 4)
}

/** Likewise, in bytes 4–7 and the high halves of bytes 8–11. */
function minimumOf(bytes: Uint8Array, at: number, part: number): number {
  if (part < 4) return bytes[at + part + 4]! & 63
  return (bytes[at + part + 4]! >>> 4) | ((bytes[at + part]! >>> 6) << 4)
}

/** 16 times 16 elements: (code - 32) · (d · scale). */
function writeSixBits({ bytes, view, at }: Block, out: Float32Array, to: number): void {
  const superScale = halfAt(view, at + 208)
  for (let part = 0; part < 16; part++) {
    const scale = superScale * view.getInt8(at + 192 + part)
    // Each half of the block has four rows of 32 elements; two rows share nibbles, and all four their bytes of high bits.
    const half = part >> 3
    const row = (part >> 1) & 3
    const column = 16 * (part & 1)
    const nibbles = at + 64 * half + 32 * (row & 1) + column
    const high = at + 128 + 32 * half + column
    const right = 4 * (row >> 1)
    const start = to + 16 * part
    for (let index = 0; index < 16; index++) {
      const code = ((bytes[nibbles + index]! >>> right) & 15) | (((bytes[high + index]! >>> (2 * row)) & 3) << 4)
      out[start + index] = (code - 32) * scale
    }
  }
}

/** Writes the elements of whole blocks into `out` from `to`. */
export function dequantize(type: BlockType, bytes: Uint8Array, out: Float32Array, to: number): void {
  const size = blockSizes[type]
  const write = dequantizers[type]
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  const count = bytes.byteLength / size.bytes
  for (let block = 0; block < count; block++) write({ bytes, view, at: block * size.bytes }, out, to + block * size.elements)
}
