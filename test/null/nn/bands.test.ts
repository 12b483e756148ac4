import { describe, expect, it } from 'vitest'
import { OptionError } from '../../../src/base/errors.ts'
import { bandMatrix, bandResizeMatrix, type HostMatrix, mapGrid } from '../../../src/nn/index.ts'
import { input, interpret } from '../../../src/tensor/index.ts'
import { expectNear, noise } from '../tensor/finite-differences.ts'
import { checkLayerGradients } from './check-gradients.ts'

function apply({ rows, columns, values }: HostMatrix, x: ArrayLike<number>): number[] {
  return Array.from({ length: rows }, (_, row) => {
    let sum = 0
    for (let column = 0; column < columns; column++) sum += values[row * columns + column]! * x[column]!
    return sum
  })
}

const energy = (x: ArrayLike<number>) => Array.from(x).reduce((sum, value) => sum + value * value, 0)

/** |DFT|² of a real axis by its definition, for frequencies 0 … (size − 1) / 2. */
function spectrum(x: ArrayLike<number>): number[] {
  return Array.from({ length: (x.length + 1) / 2 }, (_, k) => {
    let [real, imaginary] = [0, 0]
    for (let j = 0; j < x.length; j++) {
      real += x[j]! * Math.cos((2 * Math.PI * k * j) / x.length)
      imaginary -= x[j]! * Math.sin((2 * Math.PI * k * j) / x.length)
    }
    return real * real + imaginary * imaginary
  })
}

const signal = noise('signal', [7]).data

describe('bandMatrix', () => {
  it.each([0, 1, 2, 3])('keeps the spectrum up to cutoff %d and nothing beyond', (cutoff) => {
    const kept = spectrum(apply(bandMatrix(7, cutoff), signal))
    expectNear(
      kept,
      spectrum(signal).map((power, k) => (k <= cutoff ? power : 0)),
      'spectrum',
      1e-12,
    )
  })

  it('changes nothing the second time', () => {
    const band = bandMatrix(9, 2)
    const once = apply(band, noise('nine', [9]).data)
    expectNear(apply(band, once), once, 'twice', 1e-12)
  })

  it('tiles the spectrum: bands add up, and so do their energies', () => {
    const lows = [0, 1, 2, 3].map((cutoff) => apply(bandMatrix(7, cutoff), signal))
    const bands = lows.map((low, k) => low.map((value, i) => value - (lows[k - 1]?.[i] ?? 0)))
    expectNear(
      signal.map((_, i) => bands.reduce((sum, band) => sum + band[i]!, 0)),
      signal,
      'sum',
      1e-12,
    )
    expect(bands.map(energy).reduce((a, b) => a + b)).toBeCloseTo(energy(signal), 12)
  })

  it.each([
    [6, 1],
    [7, 4],
    [7, -1],
    [7, 0.5],
    [0, 0],
  ])('refuses size %d with cutoff %d', (size, cutoff) => {
    expect(() => bandMatrix(size, cutoff)).toThrow(OptionError)
  })
})

describe('bandResizeMatrix', () => {
  it('samples a trigonometric polynomial exactly, up and down', () => {
    const polynomial = (t: number) => 0.3 - 1.2 * Math.cos(2 * Math.PI * t) + 0.7 * Math.sin(4 * Math.PI * t)
    const on = (size: number) => Array.from({ length: size }, (_, i) => polynomial(i / size))
    expectNear(apply(bandResizeMatrix(5, 9), on(5)), on(9), 'up', 1e-12)
    expectNear(apply(bandResizeMatrix(9, 5), on(9)), on(5), 'down', 1e-12)
    expectNear(apply(bandResizeMatrix(9, 1), on(9)), [0.3], 'mean', 1e-12)
  })

  it('carries a band on its own grid of 2·cutoff + 1 without loss', () => {
    for (const cutoff of [0, 1, 2, 3]) {
      const grid = 2 * cutoff + 1
      const low = apply(bandMatrix(7, cutoff), signal)
      const small = apply(bandResizeMatrix(7, grid), signal)
      expectNear(apply(bandResizeMatrix(grid, 7), small), low, 'there and back', 1e-12)
      expect(energy(small) / grid).toBeCloseTo(energy(low) / 7, 12)
    }
  })

  it('has gradients as finite differences do, on both axes', () => {
    const up = bandResizeMatrix(3, 5)
    checkLayerGradients({}, (x) => mapGrid(x, up, up), [1, 2, 3, 3])
  })

  it('on both axes keeps the frequencies of which the larger is within the cutoff', () => {
    const x = noise('picture', [1, 1, 5, 5])
    const band = bandMatrix(5, 1)
    const [low] = interpret([mapGrid(input('x', 'float32', x.shape), band, band)], { inputs: { x } })
    const power = ({ data }: { data: Float64Array }, p: number, q: number) => {
      let [real, imaginary] = [0, 0]
      for (let i = 0; i < 25; i++) {
        const angle = (2 * Math.PI * (p * Math.floor(i / 5) + q * (i % 5))) / 5
        real += data[i]! * Math.cos(angle)
        imaginary += data[i]! * Math.sin(angle)
      }
      return real ** 2 + imaginary ** 2
    }
    for (let p = -2; p <= 2; p++)
      for (let q = -2; q <= 2; q++) {
        const kept = Math.max(Math.abs(p), Math.abs(q)) <= 1
        expectNear([power(low!, p, q)], [kept ? power(x, p, q) : 0], `(${p}, ${q})`, 1e-6)
      }
  })

  it('refuses even sizes', () => {
    expect(() => bandResizeMatrix(4, 7)).toThrow(/Nyquist/)
    expect(() => bandResizeMatrix(7, 4)).toThrow(/Nyquist/)
  })
})
