import { describe, expect, it } from 'vitest'
import { OptionError, ShapeError } from '../../../src/base/errors.ts'
import { createRng } from '../../../src/base/rng.ts'
import { Conv2d, type Conv2dOptions, GroupNorm, initialize, namedVariables, upsample2d } from '../../../src/nn/index.ts'
import { input, interpret } from '../../../src/tensor/index.ts'
import type { ReferenceValue } from '../../../src/tensor/tensor.ts'
import { expectNear, noise } from '../tensor/finite-differences.ts'
import { checkLayerGradients } from './check-gradients.ts'
import { randomVariables } from './oracle.ts'

type Grid = { stride: number; padding: number; groups: number }

/** Cross-correlation, one output at a time, from its definition. */
function slowConvolution(x: ReferenceValue, weight: ReferenceValue, bias: Float64Array, { stride, padding, groups }: Grid) {
  const [batch, inputs, height, width] = x.shape as [number, number, number, number]
  const [outputs, perGroup, kernel] = weight.shape as [number, number, number]
  const size = (length: number) => Math.floor((length + 2 * padding - kernel) / stride) + 1
  const pixel = (b: number, c: number, i: number, j: number) =>
    i < 0 || j < 0 || i >= height || j >= width ? 0 : x.data[((b * inputs + c) * height + i) * width + j]!
  const out: number[] = []
  for (let b = 0; b < batch; b++)
    for (let o = 0; o < outputs; o++)
      for (let i = 0; i < size(height); i++)
        for (let j = 0; j < size(width); j++) {
          let sum = bias[o]!
          for (let c = 0; c < perGroup; c++)
            for (let p = 0; p < kernel; p++)
              for (let q = 0; q < kernel; q++) {
                const channel = Math.floor(o / (outputs / groups)) * perGroup + c
                const tap = weight.data[((o * perGroup + c) * kernel + p) * kernel + q]!
                sum += tap * pixel(b, channel, i * stride + p - padding, j * stride + q - padding)
              }
          out.push(sum)
        }
  return { shape: [batch, outputs, size(height), size(width)], data: out }
}

describe('Conv2d', () => {
  it.each<[string, Conv2dOptions, Grid]>([
    ['keeps the size with odd kernels', {}, { stride: 1, padding: 1, groups: 1 }],
    ['1×1', { kernel: 1 }, { stride: 1, padding: 0, groups: 1 }],
    ['halves with a kernel of 4', { kernel: 4, stride: 2 }, { stride: 2, padding: 1, groups: 1 }],
    ['cuts patches', { kernel: 2, stride: 2, padding: 0 }, { stride: 2, padding: 0, groups: 1 }],
    ['groups', { groups: 2 }, { stride: 1, padding: 1, groups: 2 }],
  ])('is the cross-correlation: %s', (_name, options, grid) => {
    const layer = new Conv2d(4, 6, options)
    const { variables, byName } = randomVariables(layer)
    const x = noise('x', [2, 4, 6, 4])
    const [result] = interpret([layer.forward(input('x', 'float32', x.shape))], { inputs: { x }, variables })
    const expected = slowConvolution(x, byName.get('weight')!, byName.get('bias')!.data, grid)
    expect(result!.shape).toEqual(expected.shape)
    expectNear(result!.data, expected.data, 'convolved', 1e-9)
  })

  it('has gradients as finite differences do', () => {
    const layer = new Conv2d(2, 4, { kernel: 4, stride: 2, groups: 2 })
    checkLayerGradients(layer, (x) => layer.forward(x), [2, 2, 6, 4])
  })

  it('names its variables as PyTorch does, and starts with He-normal weights and no bias', async () => {
    const layer = new Conv2d(8, 64, { groups: 2 })
    await initialize(layer, createRng(1))
    expect([...namedVariables(layer)].map(([name, { shape }]) => [name, shape])).toEqual([
      ['weight', [64, 4, 3, 3]],
      ['bias', [64]],
    ])
    const weights = (await layer.weight.read()) as Float32Array
    const variance = weights.reduce((sum, w) => sum + w * w, 0) / weights.length
    expect(variance).toBeCloseTo(2 / 36, 2)
    expect([...namedVariables(new Conv2d(1, 1, { bias: false })).keys()]).toEqual(['weight'])
  })

  it('refuses sizes, groups and options that do not fit', () => {
    expect(() => new Conv2d(0, 4)).toThrow(OptionError)
    expect(() => new Conv2d(4, 4, { padding: -1 })).toThrow(OptionError)
    expect(() => new Conv2d(4, 6, { groups: 4 })).toThrow(OptionError)
    expect(() => new Conv2d(4, 4, { dilation: 2 } as object)).toThrow(OptionError)
    expect(() => new Conv2d(4, 4).forward(input('x', 'float32', [1, 3, 4, 4]))).toThrow(ShapeError)
  })
})

describe('GroupNorm', () => {
  it.each([1, 2, 6])('normalises over places and channels of %d groups', (groups) => {
    const layer = new GroupNorm(groups, 6, { epsilon: 0.01 })
    const { variables, byName } = randomVariables(layer)
    const x = noise('x', [2, 6, 3, 2])
    const [result] = interpret([layer.forward(input('x', 'float32', x.shape))], { inputs: { x }, variables })
    const size = 36 / groups
    const expected = Array.from(x.data, (value, at) => {
      const group = x.data.subarray(at - (at % size), at - (at % size) + size)
      const mean = group.reduce((sum, y) => sum + y, 0) / size
      const variance = group.reduce((sum, y) => sum + (y - mean) ** 2, 0) / size
      const channel = Math.floor(at / 6) % 6
      const scaled = ((value - mean) / Math.sqrt(variance + 0.01)) * byName.get('weight')!.data[channel]!
      return scaled + byName.get('bias')!.data[channel]!
    })
    expectNear(result!.data, expected, 'normed', 1e-7)
  })

  it('has gradients as finite differences do', () => {
    const layer = new GroupNorm(2, 4)
    checkLayerGradients(layer, (x) => layer.forward(x), [2, 4, 2, 3])
  })

  it('refuses groups, epsilons and pictures that do not fit', () => {
    expect(() => new GroupNorm(4, 6)).toThrow(OptionError)
    expect(() => new GroupNorm(2, 6, { epsilon: -1 })).toThrow(OptionError)
    expect(() => new GroupNorm(2, 6, { eps: 1 } as object)).toThrow(OptionError)
    expect(() => new GroupNorm(2, 6).forward(input('x', 'float32', [1, 4, 2, 2]))).toThrow(ShapeError)
  })
})

describe('upsample2d', () => {
  it('repeats every pixel', () => {
    const x = { shape: [1, 2, 1, 2], data: Float64Array.of(1, 2, 3, 4) }
    const [result] = interpret([upsample2d(input('x', 'float32', [1, 2, 1, 2]), 2)], { inputs: { x } })
    expect(result!.shape).toEqual([1, 2, 2, 4])
    expect([...result!.data]).toEqual([1, 1, 2, 2, 1, 1, 2, 2, 3, 3, 4, 4, 3, 3, 4, 4])
  })

  it('has gradients as finite differences do', () => {
    checkLayerGradients({}, (x) => upsample2d(x, 3), [2, 1, 2, 3])
  })

  it('refuses factors that are no integers', () => {
    expect(() => upsample2d(input('x', 'float32', [1, 1, 2, 2]), 1.5)).toThrow(OptionError)
  })
})
