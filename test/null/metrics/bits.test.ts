import { expect, it } from 'vitest'
import { pictureValues } from '../../../src/base/pictures.ts'
import { createRng } from '../../../src/base/rng.ts'
import { bitsPerDimension, pictureStep } from '../../../src/metrics/index.ts'

it('levels that are all alike cost 8 bits', () => {
  expect(bitsPerDimension(12 * Math.log(256), 12)).toBeCloseTo(8, 12)
})

it('so do they under a uniform density over 256 steps of what networks see', () => {
  const volume = 256 * pictureStep
  expect(bitsPerDimension(12 * Math.log(volume), 12, { step: pictureStep })).toBeCloseTo(8, 12)
})

it('the step is that of the values that networks see', () => {
  const [low, high] = pictureValues({ count: 1, channels: 1, height: 1, width: 2, pixels: Uint8Array.of(41, 42) }, [0])
  expect(high! - low!).toBeCloseTo(pictureStep, 6)
})

it('a scale changes a density and its step, and not the bits', () => {
  // A normal density over y = level + noise, and the same over x = y / 127.5 − 1: log p(x) = log p(y) + log 127.5.
  const logNormal = (z: number, deviation: number) => -0.5 * (z / deviation) ** 2 - Math.log(deviation * Math.sqrt(2 * Math.PI))
  const y = 200.3
  const [overLevels, overValues] = [-logNormal(y - 127.5, 40), -logNormal(y / 127.5 - 1, 40 / 127.5)]
  expect(overValues).not.toBeCloseTo(overLevels, 1)
  expect(bitsPerDimension(overValues, 1, { step: pictureStep })).toBeCloseTo(bitsPerDimension(overLevels, 1), 10)
})

it('bits of dequantised values bound the bits of the levels, and meet them where the density is flat within levels', () => {
  const rng = createRng(3)
  const probability = [0.1, 0.6, 0.3]
  const entropy = -probability.reduce((sum, p) => sum + p * Math.log2(p), 0)
  const bits = (density: (y: number) => number) => {
    let nats = 0
    // Expectation over levels exactly, over the noise by 4000 draws each.
    for (const [level, p] of probability.entries())
      for (let i = 0; i < 4000; i++) nats -= (p * Math.log(density(level + rng.fold(level).uniformAt(i)))) / 4000
    return bitsPerDimension(nats, 1)
  }
  expect(bits((y) => probability[Math.floor(y)]!)).toBeCloseTo(entropy, 12)
  // As much mass per level, sloping within: 2·(y − level).
  expect(bits((y) => probability[Math.floor(y)]! * 2 * (y % 1))).toBeGreaterThan(entropy + 0.1)
})

it('no dimensions, no step and unknown options are refused', () => {
  expect(() => bitsPerDimension(1, 0)).toThrow(/dimensions is 0/)
  expect(() => bitsPerDimension(1, 1, { step: 0 })).toThrow(/step is 0/)
  expect(() => bitsPerDimension(1, 1, { levels: 256 } as object)).toThrow(/levels/)
})
