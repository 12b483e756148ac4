import { describe, expect, it } from 'vitest'
import { OptionError, ShapeError } from '../../../src/base/errors.ts'
import { mapGrid, type ResizeKind, resize2d, resizeMatrix } from '../../../src/nn/index.ts'
import { input, interpret } from '../../../src/tensor/index.ts'
import { expectNear, noise } from '../tensor/finite-differences.ts'
import { checkLayerGradients } from './check-gradients.ts'

const rowsOf = (kind: ResizeKind, from: number, to: number) => {
  const { values } = resizeMatrix(kind, from, to)
  return Array.from({ length: to }, (_, row) => [...values.subarray(row * from, (row + 1) * from)])
}

/** The piecewise cubic of Keys 1981 with a = −¾, written out over its support. */
function keys(distance: number): number {
  const d = Math.abs(distance)
  if (d <= 1) return 1.25 * d ** 3 - 2.25 * d ** 2 + 1
  return d < 2 ? -0.75 * d ** 3 + 3.75 * d ** 2 - 6 * d + 3 : 0
}

/** A resized axis by summing a kernel over an axis that is extended by its border. */
function slowResize(kind: 'bicubic' | 'bilinear', values: readonly number[], to: number): number[] {
  const kernel = kind === 'bicubic' ? keys : (d: number) => Math.max(0, 1 - Math.abs(d))
  return Array.from({ length: to }, (_, i) => {
    const place = ((i + 0.5) * values.length) / to - 0.5
    let sum = 0
    for (let j = -8; j < values.length + 8; j++) {
      const value = values[Math.min(values.length - 1, Math.max(0, j))]!
      sum += kernel(place - j) * value
    }
    return sum
  })
}

describe('resizeMatrix', () => {
  it('averages windows that overlap where the ratio is no integer', () => {
    const third = 1 / 3
    // Windows [0, 3), [2, 5), [4, 7) of 7 inputs; AdaptiveAvgPool1d(3).
    expect(rowsOf('area', 7, 3)).toEqual([
      [third, third, third, 0, 0, 0, 0],
      [0, 0, third, third, third, 0, 0],
      [0, 0, 0, 0, third, third, third],
    ])
    expect(rowsOf('area', 4, 2)).toEqual([
      [0.5, 0.5, 0, 0],
      [0, 0, 0.5, 0.5],
    ])
    // Up: windows [0, 1), [0, 2), [1, 2) of 2 inputs.
    expect(rowsOf('area', 2, 3)).toEqual([
      [1, 0],
      [0.5, 0.5],
      [0, 1],
    ])
  })

  it('takes the nearest input to the left', () => {
    expect(rowsOf('nearest', 3, 5).map((row) => row.indexOf(1))).toEqual([0, 0, 1, 1, 2])
    expect(rowsOf('nearest', 5, 2).map((row) => row.indexOf(1))).toEqual([0, 2])
  })

  it('has bilinear weights between pixel centres', () => {
    expect(rowsOf('bilinear', 2, 4)).toEqual([
      [1, 0],
      [0.75, 0.25],
      [0.25, 0.75],
      [0, 1],
    ])
  })

  it('has cubic weights with a = −¾ and the border repeated', () => {
    // Twice as many: fractions ¼ and ¾, e.g. −¾·(¼·¾²) = −0.10546875.
    const [first, second] = rowsOf('bicubic', 4, 8).slice(3)
    expectNear(first!, [-0.10546875, 0.87890625, 0.26171875, -0.03515625], 'row 3', 1e-12)
    expectNear(second!, [-0.03515625, 0.26171875, 0.87890625, -0.10546875], 'row 4', 1e-12)
    expectNear(rowsOf('bicubic', 1, 3).flat(), [1, 1, 1], 'one input', 1e-12)
  })

  it.each(['bicubic', 'bilinear'] as const)('%s is the sum of a kernel over a repeated border, without antialiasing', (kind) => {
    for (const [from, to] of [
      [1, 4],
      [4, 4],
      [3, 7],
      [4, 16],
      [7, 3],
      [16, 5],
    ] as const) {
      const values = [...noise(`${from}`, [from]).data]
      const resized = rowsOf(kind, from, to).map((row) => row.reduce((sum, weight, i) => sum + weight * values[i]!, 0))
      expectNear(resized, slowResize(kind, values, to), `${from} to ${to}`, 1e-12)
    }
  })

  it.each(['area', 'bicubic', 'bilinear', 'nearest'] as const)('%s keeps constants, and everything at equal size', (kind) => {
    for (const to of [1, 2, 5, 6, 9]) {
      const sums = rowsOf(kind, 6, to).map((row) => row.reduce((sum, weight) => sum + weight, 0))
      expectNear(sums, new Array<number>(to).fill(1), `6 to ${to}`, 1e-12)
    }
    expect(rowsOf(kind, 4, 4).flat().map(Math.abs)).toEqual([1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1])
  })

  it('refuses other kinds and sizes', () => {
    expect(() => resizeMatrix('lanczos' as ResizeKind, 2, 3)).toThrow(OptionError)
    expect(() => resizeMatrix('toString' as ResizeKind, 2, 3)).toThrow(OptionError)
    expect(() => resizeMatrix('area', 0, 3)).toThrow(OptionError)
    expect(() => resizeMatrix('area', 2, 2.5)).toThrow(OptionError)
  })
})

describe('resize2d', () => {
  it('resizes height and width apart from one another', () => {
    const x = noise('x', [2, 3, 4, 6])
    const [result] = interpret([resize2d(input('x', 'float32', x.shape), 'area', [2, 3])], { inputs: { x } })
    expect(result!.shape).toEqual([2, 3, 2, 3])
    const expected = Array.from(result!.data, (_, at) => {
      const [picture, row, column] = [Math.floor(at / 6), Math.floor(at / 3) % 2, at % 3]
      const from = picture * 24 + row * 12 + column * 2
      return (x.data[from]! + x.data[from + 1]! + x.data[from + 6]! + x.data[from + 7]!) / 4
    })
    expectNear(result!.data, expected, 'halved', 1e-12)
  })

  it('has gradients as finite differences do', () => {
    checkLayerGradients({}, (x) => resize2d(x, 'bicubic', [5, 2]), [2, 1, 3, 4])
  })

  it('refuses what is no picture, and matrices for other grids', () => {
    expect(() => resize2d(input('x', 'float32', [3, 4, 4]), 'area', [2, 2])).toThrow(ShapeError)
    const four = resizeMatrix('area', 4, 2)
    expect(() => mapGrid(input('x', 'float32', [1, 1, 4, 3]), four, four)).toThrow(ShapeError)
  })
})
