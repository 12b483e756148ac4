import { describe, expect, it } from 'vitest'
import { NonFiniteError, OptionError, ShapeError } from '../../../src/base/errors.ts'
import { createRng } from '../../../src/base/rng.ts'
import { compensateWeights, roundWeights, widenWeights } from '../../../src/nn/index.ts'

const format = { bits: 4, blockSize: 16 } as const
const rng = createRng(12)

type Matrix = number[][]

/** Inputs whose values depend on their neighbours, as rows. */
function correlatedInputs(count: number, width: number): Matrix {
  const noise = rng.fold(`inputs ${count}×${width}`).fillNormal(new Float32Array(count * width))
  return Array.from({ length: count }, (_, row) => {
    const values: number[] = []
    for (let i = 0; i < width; i++) values.push(0.9 * (values.at(-1) ?? 0) + 0.4 * noise[row * width + i]!)
    return values
  })
}

function hessianOf(inputs: Matrix): Matrix {
  return inputs[0]!.map((_, i) => inputs[0]!.map((_, j) => inputs.reduce((sum, x) => sum + x[i]! * x[j]!, 0)))
}

const flat = (matrix: Matrix) => Float64Array.from(matrix.flat())

/** Σ over inputs x and outputs of (ŵ·x − w·x)². */
function outputError(inputs: Matrix, weights: Float32Array, rounded: Float32Array): number {
  const width = inputs[0]!.length
  let total = 0
  for (let start = 0; start < weights.length; start += width) {
    for (const x of inputs) total += x.reduce((sum, value, i) => sum + (rounded[start + i]! - weights[start + i]!) * value, 0) ** 2
  }
  return total
}

/** Gauss–Jordan. */
function inverse(matrix: Matrix): Matrix {
  const size = matrix.length
  const rows = matrix.map((row, i) => [...row, ...row.map((_, j) => Number(i === j))])
  for (let pivot = 0; pivot < size; pivot++) {
    const scale = rows[pivot]![pivot]!
    rows[pivot] = rows[pivot]!.map((value) => value / scale)
    for (let other = 0; other < size; other++) {
      const factor = rows[other]![pivot]!
      if (other !== pivot) rows[other] = rows[other]!.map((value, j) => value - factor * rows[pivot]![j]!)
    }
  }
  return rows.map((row) => row.slice(size))
}

/**
 * The method as Frantar et al. derive it: round a column, spread its error over the columns that are left by the inverse of what is left
 * of the Hessian, go on. One row; blocks take their scale when they begin.
 */
function spreadErrors(row: readonly number[], hessian: Matrix, blockSize: number): number[] {
  const left = [...row]
  const rounded: number[] = []
  let scale = 0
  for (let k = 0; k < row.length; k++) {
    if (k % blockSize === 0) {
      const block = left.slice(k, k + blockSize)
      scale = Math.fround(block.reduce((most, weight) => (Math.abs(weight) > Math.abs(most) ? weight : most), 0) / -8)
    }
    rounded.push(Math.min(7, Math.max(-8, Math.round(left[k]! / scale))) * scale)
    const rest = inverse(hessian.slice(k).map((values) => values.slice(k)))
    const error = (left[k]! - rounded[k]!) / rest[0]![0]!
    for (let j = k; j < row.length; j++) left[j]! -= error * rest[0]![j - k]!
  }
  return rounded
}

function damped(hessian: Matrix, part: number): Matrix {
  const mean = hessian.reduce((sum, row, i) => sum + row[i]!, 0) / hessian.length
  return hessian.map((row, i) => row.map((value, j) => value + (i === j ? part * mean : 0)))
}

describe('errors that later columns make up for', () => {
  it.each([
    [48, 16],
    [40, 32],
  ])('are those of the published derivation: %d columns in blocks of %d', (width, blockSize) => {
    const hessian = hessianOf(correlatedInputs(100, width))
    const weights = rng.fold('weights').fillNormal(new Float32Array(5 * width))
    const { values, damping } = compensateWeights(weights, 5, width, flat(hessian), { bits: 4, blockSize })
    expect(damping).toBe(0.01)
    const rounded = widenWeights(values, width)
    for (let row = 0; row < 5; row++) {
      const expected = spreadErrors([...weights.subarray(row * width, (row + 1) * width)], damped(hessian, 0.01), blockSize)
      for (const [i, weight] of expected.entries()) expect(rounded[row * width + i]).toBeCloseTo(weight, 5)
    }
  })

  it.each([4, 8] as const)('lower the error of the outputs, at %d bits', (bits) => {
    const inputs = correlatedInputs(200, 96)
    const weights = rng.fold('layer').fillNormal(new Float32Array(24 * 96))
    const error = (values: Parameters<typeof widenWeights>[0]) => outputError(inputs, weights, widenWeights(values, 96))
    const options = { bits, blockSize: 32 } as const
    const compensated = compensateWeights(weights, 24, 96, flat(hessianOf(inputs)), options).values
    expect(error(compensated)).toBeLessThan(0.5 * error(roundWeights(weights, 24, 96, options)))
  })

  it('leave the last column with the best of all its codes', () => {
    const inputs = correlatedInputs(60, 16)
    const hessian = damped(hessianOf(inputs), 0.01)
    const weights = rng.fold('last').fillNormal(new Float32Array(8 * 16))
    const { values } = compensateWeights(weights, 8, 16, flat(hessianOf(inputs)), format)
    const rounded = widenWeights(values, 16)
    for (let row = 0; row < 8; row++) {
      const change = (last: number) =>
        Array.from({ length: 16 }, (_, i) => (i === 15 ? last : rounded[row * 16 + i]!) - weights[row * 16 + i]!)
      const error = (last: number) =>
        change(last).reduce((sum, a, i) => sum + change(last).reduce((inner, b, j) => inner + a * b * hessian[i]![j]!, 0), 0)
      const all = Array.from({ length: 16 }, (_, code) => error((code - 8) * values.scales[row]!))
      expect(error(rounded[row * 16 + 15]!)).toBeCloseTo(Math.min(...all), 5)
    }
  })

  it('are none where inputs are not correlated, or never seen', () => {
    const weights = rng.fold('alone').fillNormal(new Float32Array(3 * 32))
    const plain = roundWeights(weights, 3, 32, format)
    const diagonal = Float64Array.from({ length: 32 * 32 }, (_, i) => (i % 33 === 0 ? 1 + (i % 5) : 0))
    expect(compensateWeights(weights, 3, 32, diagonal, format).values).toEqual(plain)
    expect(compensateWeights(weights, 3, 32, new Float64Array(32 * 32), format).values).toEqual(plain)
  })
})

describe('calibration that says little', () => {
  const weights = rng.fold('few').fillNormal(new Float32Array(2 * 32))

  it('is damped: one input for 32 columns', () => {
    const inputs = correlatedInputs(1, 32)
    const { values } = compensateWeights(weights, 2, 32, flat(hessianOf(inputs)), format)
    expect([...widenWeights(values, 32)].every(Number.isFinite)).toBe(true)
  })

  it('is damped more where the first damping is lost in rounding', () => {
    const hessian = new Float64Array(32 * 32).fill(1)
    const { damping } = compensateWeights(weights, 2, 32, hessian, { ...format, damping: 1e-15 })
    expect(damping).toBeGreaterThan(1e-14)
    expect(damping).toBeLessThan(1e-8)
  })

  it('is refused when it is no sum of squares, or not finite, or of another size', () => {
    const negative = new Float64Array(32 * 32).fill(-1)
    expect(() => compensateWeights(weights, 2, 32, negative, format)).toThrow(OptionError)
    expect(() => compensateWeights(weights, 2, 32, new Float64Array(32 * 32).fill(Number.NaN), format)).toThrow(NonFiniteError)
    expect(() => compensateWeights(weights, 2, 32, new Float64Array(32), format)).toThrow(ShapeError)
    for (const damping of [0, -1, 11, Number.NaN]) {
      expect(() => compensateWeights(weights, 2, 32, new Float64Array(32 * 32).fill(1), { ...format, damping })).toThrow(
        OptionError,
      )
    }
  })
})
