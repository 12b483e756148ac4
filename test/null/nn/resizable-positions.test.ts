import { expect, it } from 'vitest'
import { OptionError } from '../../../src/base/errors.ts'
import { createRng } from '../../../src/base/rng.ts'
import { initialize, ResizablePositions } from '../../../src/nn/index.ts'
import { add, interpret, reshape } from '../../../src/tensor/index.ts'
import { expectNear } from '../tensor/finite-differences.ts'
import { checkLayerGradients } from './check-gradients.ts'
import { randomVariables } from './oracle.ts'

it('gives every grid the means of the table over adaptive windows', () => {
  const positions = new ResizablePositions(4, { size: 5 })
  const { variables, byName } = randomVariables(positions)
  const table = byName.get('weight')!.data
  for (const [height, width] of [
    [1, 1],
    [2, 3],
    [5, 5],
  ] as const) {
    const [result] = interpret([positions.forward([height, width])], { inputs: {}, variables })
    expect(result!.shape).toEqual([height * width, 4])
    const window = (i: number, of: number) => [Math.floor((i * 5) / of), Math.ceil(((i + 1) * 5) / of)] as const
    const expected = Array.from(result!.data, (_, at) => {
      const [top, bottom] = window(Math.floor(at / 4 / width), height)
      const [left, right] = window(Math.floor(at / 4) % width, width)
      let sum = 0
      for (let y = top; y < bottom; y++) for (let x = left; x < right; x++) sum += table[(y * 5 + x) * 4 + (at % 4)]!
      return sum / (bottom - top) / (right - left)
    })
    expectNear(result!.data, expected, `${height}×${width}`, 1e-6)
  }
})

it('starts as sines and cosines of y and x', async () => {
  const positions = new ResizablePositions(8, { size: 3 })
  await initialize(positions, createRng(1))
  const table = (await positions.weight.read()) as Float32Array
  const [y, x] = [2, 1]
  const wave = (at: number) => [Math.sin(at), Math.sin(at / 100), Math.cos(at), Math.cos(at / 100)]
  expectNear(table.subarray((y * 3 + x) * 8, (y * 3 + x + 1) * 8), [...wave(y), ...wave(x)], 'place', 1e-6)
})

it('has gradients as finite differences do', () => {
  const positions = new ResizablePositions(4, { size: 3 })
  checkLayerGradients(positions, (x) => add(x, reshape(positions.forward([2, 2]), [4, 4])), [4, 4])
})

it('refuses widths that are no multiple of 4, and other options', () => {
  expect(() => new ResizablePositions(6)).toThrow(OptionError)
  expect(() => new ResizablePositions(8, { sizes: 3 } as object)).toThrow(OptionError)
  expect(() => new ResizablePositions(8).forward([0, 2])).toThrow(OptionError)
})
