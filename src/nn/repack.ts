import { FormatError, OptionError } from '../base/errors.ts'
import { fromHalf } from '../base/half.ts'
import type { BlockType } from '../base/stored-tensor.ts'
import type { BlockFormat, QuantizedValues } from './quantized-matrix.ts'
import { checkSizes } from './sizes.ts'

/** Block types of GGUF whose values are the same in our blocks: 32 weights with one float16 scale in front. */
const twins = {
  q8_0: { bits: 8, blockSize: 32 },
  q4_0: { bits: 4, blockSize: 32 },
} as const satisfies { readonly [Type in BlockType]?: BlockFormat }

export type RepackableType = keyof typeof twins

/** The format that keeps every value of a block type; undefined for types with offsets or two levels of scales, which have none. */
export function twinFormat(type: BlockType): BlockFormat | undefined {
  return Object.hasOwn(twins, type) ? twins[type as RepackableType] : undefined
}

/**
 * A matrix in GGUF's blocks as the same values in ours. Throws OptionError for a type without such a twin (dequantise it), FormatError
 * when the bytes are not `rows` × `columns` weights.
 * @example
 * const values = repackBlocks('q8_0', new Uint8Array(34 * 2), 1, 64)
 * values.blocks.length // 64
 */
export function repackBlocks(type: BlockType, bytes: Uint8Array, rows: number, columns: number): QuantizedValues {
  const format = twinFormat(type)
  if (format === undefined) {
    throw new OptionError(`${type} blocks cannot be kept as they are`, {
      expected: `one of ${Object.keys(twins).join(', ')}`,
      fix: 'dequantise them',
    })
  }
  checkSizes({ rows, columns })
  const { bits, blockSize } = format
  const codeBytes = (blockSize * bits) / 8
  const count = (rows * columns) / blockSize
  if (columns % blockSize !== 0 || bytes.length !== count * (codeBytes + scaleBytes)) {
    throw new FormatError(`${bytes.length} bytes for ${rows} × ${columns} weights in ${type} blocks`, {
      expected: `${count * (codeBytes + scaleBytes)} bytes, in rows of whole blocks of ${blockSize}`,
    })
  }
  const halves = halvesOf(bytes)
  const blocks = new Uint8Array(count * codeBytes)
  const words = new Uint32Array(blocks.buffer)
  if (bits === 8) repackBytes(halves, words, count)
  else repackNibbles(halves, words, count)
  return { ...format, blocks, scales: scalesOf(halves, count, 1 + codeBytes / 2) }
}

/** A float16, little-endian. */
const scaleBytes = 2

/** Blocks are whole numbers of 16-bit halves, which are read in one go; a file may start them at an odd place. */
function halvesOf(bytes: Uint8Array): Uint16Array {
  const even = bytes.byteOffset % 2 === 0 ? bytes : bytes.slice()
  return new Uint16Array(even.buffer, even.byteOffset, even.byteLength / 2)
}

/** float16 to float32. Normal numbers by moving their bits; zeros, subnormals, infinities and NaN are left to the decoder. */
function scalesOf(halves: Uint16Array, count: number, stride: number): Float32Array {
  const scales = new Float32Array(count)
  const words = new Uint32Array(scales.buffer)
  for (let block = 0, at = 0; block < count; block++, at += stride) {
    const bits = halves[at]!
    const exponent = (bits >> 10) & 31
    if (exponent === 0 || exponent === 31) scales[block] = fromHalf(bits, 'float16')
    else words[block] = ((bits & 0x8000) << 16) | ((exponent + 112) << 23) | ((bits & 1023) << 13)
  }
  return scales
}

/** int8 to codes from 0 to 255: the sign bits turn. */
function repackBytes(halves: Uint16Array, words: Uint32Array, count: number): void {
  for (let block = 0, from = 0, to = 0; block < count; block++) {
    from++
    for (const end = to + 8; to < end; to++, from += 2) words[to] = (halves[from]! | (halves[from + 1]! << 16)) ^ 0x80808080
  }
}

/** A byte j of 16 holds the weights j and j + 16; ours holds 2j and 2j + 1. */
function repackNibbles(halves: Uint16Array, words: Uint32Array, count: number): void {
  for (let block = 0, from = 1, to = 0; block < count; block++, from += 9, to += 4) {
    for (let word = 0; word < 2; word++) {
      const at = from + 4 * word
      const [first, second] = [halves[at]! | (halves[at + 1]! << 16), halves[at + 2]! | (halves[at + 3]! << 16)]
      words[to + word] = lowNibbles(first) | (lowNibbles(second) << 16)
      words[to + 2 + word] = lowNibbles(first >>> 4) | (lowNibbles(second >>> 4) << 16)
    }
  }
}

/** The lower nibbles of four bytes, side by side in 16 bits. */
function lowNibbles(word: number): number {
  const pairs = word & 0x0f0f0f0f
  const joined = (pairs | (pairs >>> 4)) & 0x00ff00ff
  return (joined | (joined >>> 8)) & 0xffff
}
