import { describe, expect, it } from 'vitest'
import { NonFiniteError, OptionError, ShapeError } from '../../../src/base/errors.ts'
import { createRng } from '../../../src/base/rng.ts'
import { roundWeights, widenWeights } from '../../../src/nn/index.ts'
import { randomBlocks, weightsOf } from './block-values.ts'

const weights = createRng(8).fillNormal(new Float32Array(6 * 83))
const formats = ([4, 8] as const).flatMap((bits) => [16, 32, 64].map((blockSize) => ({ bits, blockSize })))

describe.each(formats)('$bits bits in blocks of $blockSize', (format) => {
  const { bits, blockSize } = format

  it('widen to what they stand for', () => {
    const values = randomBlocks(6, 83, format)
    expect([...widenWeights(values, 83)]).toEqual(weightsOf(values, 83).flat().map(Math.fround))
  })

  it('weights that are codes times a scale come back to the bit', () => {
    const codes = Float32Array.from({ length: 4 * blockSize }, (_, i) => ((i * 7) % 16) - 8)
    const exact = bits === 4 ? codes : codes.map((code) => (code === -8 ? -127 : code * 9))
    const scaled = exact.map((code, i) => code * 2 ** -Math.floor(i / blockSize))
    expect(widenWeights(roundWeights(scaled, 2, 2 * blockSize, format), 2 * blockSize)).toEqual(scaled)
  })

  it('a weight is at most half a scale off, but for those that 4-bit codes cut off', () => {
    const values = roundWeights(weights, 6, 83, format)
    const rounded = widenWeights(values, 83)
    const perRow = Math.ceil(83 / blockSize)
    for (const [i, weight] of weights.entries()) {
      const scale = values.scales[Math.floor(i / 83) * perRow + Math.floor((i % 83) / blockSize)]!
      const inside = bits === 8 || weight / scale <= 7.5
      expect(Math.abs(rounded[i]! - weight)).toBeLessThanOrEqual(Math.abs(scale) * (inside ? 0.5 : 1) + 1e-7)
    }
  })

  it('a scale is the largest magnitude over the codes that there are for it', () => {
    const values = roundWeights(weights, 6, 83, format)
    const first = [...weights.subarray(0, Math.min(blockSize, 83))]
    const extreme = first.reduce((most, weight) => (Math.abs(weight) > Math.abs(most) ? weight : most), 0)
    expect(values.scales[0]).toBeCloseTo(bits === 4 ? extreme / -8 : Math.abs(extreme) / 127, 7)
  })

  it('a searched clip never has more squared error in a block', () => {
    const plain = widenWeights(roundWeights(weights, 6, 83, format), 83)
    const clipped = widenWeights(roundWeights(weights, 6, 83, { ...format, clip: 'search' }), 83)
    const errors = (rounded: Float32Array) => blockErrors(rounded, blockSize)
    for (const [block, error] of errors(clipped).entries()) expect(error).toBeLessThanOrEqual(errors(plain)[block]! + 1e-12)
    if (bits === 4) expect(sum(errors(clipped))).toBeLessThan(0.95 * sum(errors(plain)))
  })
})

const sum = (values: readonly number[]) => values.reduce((total, value) => total + value, 0)

function blockErrors(rounded: Float32Array, blockSize: number): number[] {
  const perRow = Math.ceil(83 / blockSize)
  const errors = new Array<number>(6 * perRow).fill(0)
  for (const [i, weight] of weights.entries()) {
    errors[Math.floor(i / 83) * perRow + Math.floor((i % 83) / blockSize)]! += (rounded[i]! - weight) ** 2
  }
  return errors
}

describe('rounding', () => {
  const format = { bits: 4, blockSize: 16 } as const

  it('keeps zeros, and magnitudes too small for a scale become zeros', () => {
    const tiny = new Float32Array(32).fill(1e-45, 16)
    expect(widenWeights(roundWeights(tiny, 1, 32, format), 32)).toEqual(new Float32Array(32))
  })

  it('holds the largest floats', () => {
    const large = new Float32Array(16).fill(3e38)
    for (const bits of [4, 8] as const) {
      for (const weight of widenWeights(roundWeights(large, 1, 16, { ...format, bits }), 16))
        expect(weight / 3e38).toBeCloseTo(1, 5)
    }
  })

  it('takes few bytes: 0.266 of float16 for 4 bits in blocks of 128', () => {
    const { blocks, scales } = roundWeights(new Float32Array(64 * 256), 64, 256, { bits: 4, blockSize: 128 })
    expect((blocks.byteLength + scales.byteLength) / (2 * 64 * 256)).toBeCloseTo(0.265625, 6)
  })

  it.each([Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY])('refuses %d', (value) => {
    const broken = Float32Array.from({ length: 40 }, (_, i) => (i === 33 ? value : 1))
    expect(() => roundWeights(broken, 2, 20, format)).toThrow(NonFiniteError)
    expect(() => roundWeights(broken, 2, 20, format)).toThrow(new RegExp(`weight 1, 13 is ${value}`))
  })

  it('refuses other formats and sizes', () => {
    expect(() => roundWeights(weights, 6, 83, { bits: 4, blockSize: 12 })).toThrow(OptionError)
    expect(() => roundWeights(weights, 6, 83, { bits: 5 as never, blockSize: 32 })).toThrow(OptionError)
    expect(() => roundWeights(weights, 6, 82, format)).toThrow(ShapeError)
  })
})
