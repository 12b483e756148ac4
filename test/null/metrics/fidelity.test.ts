import { ssim } from 'ssim.js'
import { describe, expect, it } from 'vitest'
import { ShapeError } from '../../../src/base/errors.ts'
import type { Pictures } from '../../../src/base/pictures.ts'
import { createRng } from '../../../src/base/rng.ts'
import { peakSignalToNoise, structuralSimilarity } from '../../../src/metrics/index.ts'

const rng = createRng(11)

function pictures(count: number, channels: number, height: number, width: number, value: (index: number) => number): Pictures {
  const pixels = Uint8Array.from({ length: count * channels * height * width }, (_, i) => value(i))
  return { count, channels, height, width, pixels }
}

const flat = (level: number) => pictures(1, 1, 16, 13, () => level)
const noisy = (base: Pictures, amount: number, label: string): Pictures => ({
  ...base,
  pixels: base.pixels.map((pixel, i) => Math.min(255, Math.max(0, Math.round(pixel + amount * rng.fold(label).normalAt(i))))),
})
/** Waves, so that neighbours resemble each other. */
const waves = (count: number, channels: number, height: number, width: number) =>
  pictures(count, channels, height, width, (i) => 127 + 100 * Math.sin(i / 5) * Math.cos(Math.floor(i / width) / 4))

describe('the peak signal-to-noise ratio', () => {
  it('is 20·log₁₀(255 / error) for an error that is everywhere the same', () => {
    const { perPicture, pooled } = peakSignalToNoise(flat(100), flat(105))
    expect(perPicture[0]).toBeCloseTo(20 * Math.log10(51), 12)
    expect(pooled).toBeCloseTo(20 * Math.log10(51), 12)
  })

  it('is 0 from black to white, and infinite between equals', () => {
    expect(peakSignalToNoise(flat(0), flat(255)).pooled).toBe(0)
    expect(peakSignalToNoise(flat(7), flat(7)).pooled).toBe(Number.POSITIVE_INFINITY)
  })

  it('pools squared errors, not decibels', () => {
    const [a, b] = [pictures(2, 3, 2, 2, () => 10), pictures(2, 3, 2, 2, (i) => (i < 12 ? 10 : 30))]
    const { perPicture, pooled } = peakSignalToNoise(a, b)
    expect(perPicture[0]).toBe(Number.POSITIVE_INFINITY)
    expect(perPicture[1]).toBeCloseTo(10 * Math.log10(255 ** 2 / 400), 12)
    expect(pooled).toBeCloseTo(10 * Math.log10(255 ** 2 / 200), 12)
  })

  it('is not taken of pictures that do not match, or of none', () => {
    expect(() => peakSignalToNoise(flat(0), waves(1, 1, 13, 16))).toThrow(/same sizes/)
    const none = pictures(0, 1, 4, 4, () => 0)
    expect(() => peakSignalToNoise(none, none)).toThrow(/no pictures/)
    const torn = { ...flat(0), pixels: new Uint8Array(16 * 13 - 1) }
    expect(() => peakSignalToNoise(flat(0), torn)).toThrow(ShapeError)
    expect(() => structuralSimilarity(torn, flat(0))).toThrow(/of 207 pixels/)
  })
})

/** Every window by its definition: 121 weights, central moments. Slow, and shares nothing with the code. */
function similarityByDefinition({ height, width, pixels: x }: Pictures, { pixels: y }: Pictures): number {
  const taps = Array.from({ length: 121 }, (_, i) => ({ row: Math.floor(i / 11), column: i % 11 }))
  const bell = taps.map(({ row, column }) => Math.exp(-((row - 5) ** 2 + (column - 5) ** 2) / (2 * 1.5 ** 2)))
  const total = bell.reduce((a, b) => a + b)
  const [floor, contrast] = [(0.01 * 255) ** 2, (0.03 * 255) ** 2]
  const scores: number[] = []
  for (let top = 0; top + 11 <= height; top++) {
    for (let left = 0; left + 11 <= width; left++) {
      const places = taps.map(({ row, column }) => (top + row) * width + left + column)
      const expectation = (f: (place: number) => number) => places.reduce((sum, p, i) => sum + (bell[i]! / total) * f(p), 0)
      const [mx, my] = [expectation((p) => x[p]!), expectation((p) => y[p]!)]
      const variance = expectation((p) => (x[p]! - mx) ** 2) + expectation((p) => (y[p]! - my) ** 2)
      const covariance = expectation((p) => (x[p]! - mx) * (y[p]! - my))
      scores.push(((2 * mx * my + floor) * (2 * covariance + contrast)) / ((mx * mx + my * my + floor) * (variance + contrast)))
    }
  }
  return scores.reduce((a, b) => a + b) / scores.length
}

describe('structural similarity', () => {
  const original = waves(1, 1, 28, 24)
  const worse = noisy(original, 25, 'noise')

  it('is 1 between equals', () => {
    expect(structuralSimilarity(original, original).mean).toBeCloseTo(1, 12)
  })

  it('of flat pictures is the luminance term alone', () => {
    const floor = (0.01 * 255) ** 2
    const wanted = (2 * 100 * 150 + floor) / (100 ** 2 + 150 ** 2 + floor)
    expect(structuralSimilarity(flat(100), flat(150)).mean).toBeCloseTo(wanted, 12)
  })

  it('is what its definition gives, window by window', () => {
    const found = structuralSimilarity(original, worse).mean
    expect(found).toBeGreaterThan(0.2)
    expect(found).toBeLessThan(0.95)
    expect(found).toBeCloseTo(similarityByDefinition(original, worse), 10)
  })

  it('is what ssim.js makes of grey pictures', () => {
    const grey = ({ pixels, width, height }: Pictures) => ({
      width,
      height,
      data: Uint8ClampedArray.from({ length: 4 * pixels.length }, (_, i) => (i % 4 === 3 ? 255 : pixels[Math.floor(i / 4)]!)),
    })
    const { mssim } = ssim(grey(original), grey(worse), { ssim: 'fast', downsample: false })
    expect(structuralSimilarity(original, worse).mean).toBeCloseTo(mssim, 10)
  })

  it('is counted per picture, and averages channels', () => {
    const [a, b] = [waves(2, 3, 12, 15), noisy(waves(2, 3, 12, 15), 20, 'colour')]
    const plane = (from: Pictures, i: number): Pictures => ({
      ...from,
      count: 1,
      channels: 1,
      pixels: from.pixels.subarray(i * 180, (i + 1) * 180),
    })
    const planes = Array.from({ length: 6 }, (_, i) => similarityByDefinition(plane(a, i), plane(b, i)))
    const { perPicture, mean } = structuralSimilarity(a, b)
    expect(perPicture[0]).toBeCloseTo((planes[0]! + planes[1]! + planes[2]!) / 3, 10)
    expect(mean).toBeCloseTo(planes.reduce((x, y) => x + y) / 6, 10)
  })

  it('needs room for a window', () => {
    expect(() => structuralSimilarity(waves(1, 1, 10, 40), waves(1, 1, 10, 40))).toThrow(/at least 11×11/)
  })
})
