import { describe, expect, it } from 'vitest'
import { FormatError, OptionError } from '../../../src/base/errors.ts'
import { fromHalf, toHalf } from '../../../src/base/half.ts'
import { createRng } from '../../../src/base/rng.ts'
import { repackBlocks, twinFormat } from '../../../src/nn/index.ts'
import { constant, dequantize, interpret } from '../../../src/tensor/index.ts'

/** GGUF blocks with these scales (as float16 bits) and random codes, with the weights that they stand for by the format's definition. */
function ggufBlocks(type: 'q8_0' | 'q4_0', scales: readonly number[]) {
  const codeBytes = type === 'q8_0' ? 32 : 16
  const bytes = new Uint8Array(scales.length * (codeBytes + 2))
  const view = new DataView(bytes.buffer)
  const rng = createRng(7).fold(type)
  const weights: number[] = []
  for (const [block, scale] of scales.entries()) {
    const start = block * (codeBytes + 2)
    view.setUint16(start, scale, true)
    for (let i = 0; i < codeBytes; i++) bytes[start + 2 + i] = rng.integerAt(block * 32 + i, 256)
    for (let i = 0; i < 32; i++) {
      const code =
        type === 'q8_0' ? view.getInt8(start + 2 + i) : (i < 16 ? bytes[start + 2 + i]! & 15 : bytes[start + 2 + i - 16]! >> 4) - 8
      weights.push(code * fromHalf(scale, 'float16'))
    }
  }
  return { bytes, weights }
}

// Normal, negative, subnormal, zero, and the largest.
const scales = [0.013, -1.5, 0.0999, 2 ** -24, 0, -(2 ** -15), 65504, 1].map((scale) => toHalf(scale, 'float16'))

describe.each(['q8_0', 'q4_0'] as const)('%s blocks', (type) => {
  it('keep every weight to the bit', () => {
    const { bytes, weights } = ggufBlocks(type, scales)
    const { bits, blockSize, ...values } = repackBlocks(type, bytes, 4, 64)
    expect({ bits, blockSize }).toEqual(twinFormat(type))
    const blocks = constant(Array.from(values.blocks), [4, 2, (32 * bits) / 8], 'uint8')
    const [result] = interpret([dequantize(blocks, constant(Array.from(values.scales), [4, 2], 'float32'), { bits })], {
      inputs: {},
    })
    expect(Array.from(result!.data, (weight) => weight + 0)).toEqual(weights.map((weight) => weight + 0))
  })

  it('of scales that are no numbers stay such', () => {
    const { bytes } = ggufBlocks(type, [0x7c00, 0x7e00])
    expect([...repackBlocks(type, bytes, 1, 64).scales]).toEqual([Number.POSITIVE_INFINITY, Number.NaN])
  })

  it('are refused when the bytes do not fit the matrix', () => {
    const { bytes } = ggufBlocks(type, scales)
    expect(() => repackBlocks(type, bytes.subarray(1), 4, 64)).toThrow(FormatError)
    expect(() => repackBlocks(type, bytes, 4, 32)).toThrow(FormatError)
    expect(() => repackBlocks(type, bytes, 16, 16)).toThrow(/rows of whole blocks of 32/)
    expect(() => repackBlocks(type, bytes, 0, 64)).toThrow(OptionError)
  })
})

it.each(['q4_1', 'q5_0', 'q5_1', 'q4_k', 'q5_k', 'q6_k'] as const)('%s has no format of ours that keeps its values', (type) => {
  expect(twinFormat(type)).toBeUndefined()
  expect(() => repackBlocks(type, new Uint8Array(1000), 1, 256)).toThrow(/expected one of q8_0, q4_0; dequantise them/)
})
