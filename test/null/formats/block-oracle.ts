import { fromHalf } from '../../../src/base/half.ts'
import type { BlockType } from '../../../src/base/stored-tensor.ts'

/** The fields of a block and how many bytes each has, as ggml-common.h declares them. */
const layouts = {
  q8_0: { d: 2, qs: 32 },
  q4_0: { d: 2, qs: 16 },
  q4_1: { d: 2, m: 2, qs: 16 },
  q5_0: { d: 2, qh: 4, qs: 16 },
  q5_1: { d: 2, m: 2, qh: 4, qs: 16 },
  q4_k: { d: 2, m: 2, scales: 12, qs: 128 },
  q5_k: { d: 2, m: 2, scales: 12, qh: 32, qs: 128 },
  q6_k: { qs: 128, qh: 64, scales: 16, d: 2 },
} as const

export const blockTypes = Object.keys(layouts) as BlockType[]

/** The bytes of a field of a block. */
export function fieldOf(type: BlockType, block: Uint8Array, field: string): Uint8Array {
  let at = 0
  for (const [name, bytes] of Object.entries(layouts[type])) {
    if (name === field) return block.subarray(at, at + bytes)
    at += bytes
  }
  throw new Error(`${type} has no ${field}`)
}

/** Bit `index` of a field, counted from the lowest bit of its first byte. */
function bit(bytes: Uint8Array, index: number): number {
  return (bytes[Math.floor(index / 8)]! >> (index % 8)) & 1
}

/** A number of several bits, the lowest first. */
function number(...bits: number[]): number {
  return bits.reduce((sum, one, place) => sum + one * 2 ** place, 0)
}

/** The four bits at half a byte: 0 is the low half of byte 0, 1 its high half. */
function nibble(bytes: Uint8Array, half: number): number {
  return number(...[0, 1, 2, 3].map((place) => bit(bytes, 4 * half + place)))
}

/** One element of a block, bit by bit: slow, and with as few ideas as can be. */
export function elementOf(type: BlockType, block: Uint8Array, index: number): number {
  const get = (field: string) => fieldOf(type, block, field)
  const half = (field: string) => fromHalf(get(field)[0]! + 256 * get(field)[1]!, 'float16')
  const d = half('d')
  switch (type) {
    case 'q8_0':
      return Math.fround(signed(get('qs')[index]!) * d)
    case 'q4_0':
      return Math.fround((smallCode(get('qs'), index) - 8) * d)
    case 'q4_1':
      return Math.fround(smallCode(get('qs'), index) * d + half('m'))
    case 'q5_0':
      return Math.fround((smallCode(get('qs'), index) + 16 * bit(get('qh'), index) - 16) * d)
    case 'q5_1':
      return Math.fround((smallCode(get('qs'), index) + 16 * bit(get('qh'), index)) * d + half('m'))
    case 'q4_k':
    case 'q5_k': {
      const part = Math.floor(index / 32)
      const [scale, minimum] = sixBits(get('scales'), part)
      // Parts 2k and 2k + 1 share 32 bytes: the low halves are of the first, the high halves of the second.
      const low = nibble(get('qs'), 2 * (32 * Math.floor(part / 2) + (index % 32)) + (part % 2))
      const fifth = type === 'q5_k' ? bit(get('qh'), 8 * (index % 32) + part) : 0
      return Math.fround((low + 16 * fifth) * (d * scale) - half('m') * minimum)
    }
    case 'q6_k': {
      const [large, small] = [Math.floor(index / 128), index % 128]
      const row = Math.floor(small / 32)
      const low = nibble(get('qs'), 2 * (64 * large + 32 * (row % 2) + (small % 32)) + Math.floor(row / 2))
      const place = 8 * (32 * large + (small % 32)) + 2 * row
      const code = low + 16 * number(bit(get('qh'), place), bit(get('qh'), place + 1))
      return Math.fround((code - 32) * (d * signed(get('scales')[Math.floor(index / 16)]!)))
    }
  }
}

/** 16 bytes: the low halves are elements 0–15, the high halves elements 16–31. */
function smallCode(bytes: Uint8Array, index: number): number {
  return nibble(bytes, 2 * (index % 16) + Math.floor(index / 16))
}

/** Scale and minimum of a part of q4_k and q5_k, of six bits each. */
function sixBits(scales: Uint8Array, part: number): [number, number] {
  const bits = (byte: number, from: number, to: number) =>
    Array.from({ length: to - from }, (_, place) => bit(scales, 8 * byte + from + place))
  if (part < 4) return [number(...bits(part, 0, 6)), number(...bits(part + 4, 0, 6))]
  return [number(...bits(part + 4, 0, 4), ...bits(part - 4, 6, 8)), number(...bits(part + 4, 4, 8), ...bits(part, 6, 8))]
}

function signed(byte: number): number {
  return byte < 128 ? byte : byte - 256
}
