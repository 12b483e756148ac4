import { describe, expect, it } from 'vitest'
import { OptionError, ShapeError } from '../../../src/base/errors.ts'
import { correlateSpectra, fourierLength, multiplySpectra, RealFourier } from '../../../src/nn/index.ts'
import { input, interpret, pullback } from '../../../src/tensor/index.ts'
import { expectNear, noise } from '../tensor/finite-differences.ts'

/** Two channels of a series as plain arrays. */
const channel = (data: ArrayLike<number>, at: number) => Array.from({ length: data.length / 2 }, (_, t) => data[2 * t + at]!)

// 1 and 7 have one step; 270 = 27·10, 512 and 262 = 2·131 have two; 257 is prime.
const lengths = [1, 2, 7, 24, 257, 262, 270, 512]

describe('RealFourier', () => {
  it.each(lengths)('is the definition, and its inverse undoes it: length %d', (length) => {
    const fourier = new RealFourier(length)
    const x = noise('x', [length, 2])
    const { real, imaginary } = fourier.forward(input('x', 'float32', x.shape))
    const [re, im, back] = interpret([real, imaginary, fourier.inverse({ real, imaginary })], { inputs: { x } })
    expectNear(back!.data, x.data, 'inverse', 1e-5)
    for (const at of [0, 1]) {
      const series = channel(x.data, at)
      const part = (wave: (angle: number) => number) =>
        fourier.frequencies.map((k) => series.reduce((sum, value, t) => sum + value * wave((-2 * Math.PI * k * t) / length), 0))
      expectNear(channel(re!.data, at), part(Math.cos), 'real', 1e-4)
      expectNear(channel(im!.data, at), part(Math.sin), 'imaginary', 1e-4)
    }
  })

  it.each([7, 270])('convolves and correlates round the circle, with the gradients of that: length %d', (length) => {
    const fourier = new RealFourier(length)
    const [a, b] = [input('a', 'float32', [length, 2]), input('b', 'float32', [length, 2])]
    const [spectrumA, spectrumB] = [fourier.forward(a), fourier.forward(b)]
    const inputs = { a: noise('a', [length, 2]), b: noise('b', [length, 2]) }
    const convolved = fourier.inverse(multiplySpectra(spectrumA, spectrumB))
    const correlated = fourier.inverse(correlateSpectra(spectrumA, spectrumB))
    // The gradient of a convolution for its first operand is the correlation of the cotangent with the second.
    const [slope] = pullback(convolved, a, [a])
    const [found, turned, gradient] = interpret([convolved, correlated, slope!], { inputs })
    for (const at of [0, 1]) {
      const [p, q] = [channel(inputs.a.data, at), channel(inputs.b.data, at)]
      const round = (place: number) => ((place % length) + length) % length
      const expected = p.map((_, t) => q.reduce((sum, value, s) => sum + value * p[round(t - s)]!, 0))
      const lagged = p.map((_, lag) => q.reduce((sum, value, s) => sum + value * p[round(s + lag)]!, 0))
      expectNear(channel(found!.data, at), expected, 'convolution', 1e-4)
      expectNear(channel(turned!.data, at), lagged, 'correlation', 1e-4)
      expectNear(channel(gradient!.data, at), lagged, 'gradient', 1e-4)
    }
  })

  it('knows lengths that it is fast at', () => {
    expect([5, 256, 257, 1000, 4095].map(fourierLength)).toEqual([5, 256, 272, 1024, 4096])
  })

  it('refuses bad lengths and other series', () => {
    expect(() => new RealFourier(0)).toThrow(OptionError)
    expect(() => fourierLength(1.5)).toThrow(OptionError)
    expect(() => new RealFourier(4).forward(input('x', 'float32', [5, 1]))).toThrow(ShapeError)
  })
})
