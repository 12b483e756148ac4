import { expect, test } from 'vitest'
import { OptionError } from '../../../src/base/errors.ts'
import { createRng } from '../../../src/base/rng.ts'
import { augmentPictures, horizontalFlip, type LabelledPictures, selectPictures, shifted } from '../../../src/data/index.ts'

const [height, width, channels] = [3, 4, 2]
const one = { count: 1, channels, height, width, pixels: Uint8Array.from({ length: 24 }, (_, index) => index + 1) }
const rng = createRng(5)

function copies(count: number): LabelledPictures {
  const pixels = Uint8Array.from({ length: 24 * count }, (_, index) => (index % 24) + 1)
  return { ...one, count, pixels, labels: Int32Array.from({ length: count }, (_, index) => index % 2), classes: ['a', 'b'] }
}

/** The value of a pixel, `background` where it lies outside. */
function pixelOf(channel: number, y: number, x: number, background: number): number {
  return y < 0 || x < 0 || y >= height || x >= width ? background : channel * 12 + y * 4 + x + 1
}

function picture(valueAt: (channel: number, y: number, x: number) => number): number[] {
  return Array.from({ length: 24 }, (_, i) => valueAt(Math.floor(i / 12), Math.floor((i % 12) / 4), i % 4))
}

test('a flip exchanges left and right, or does nothing', () => {
  const mirrored = picture((channel, y, x) => pixelOf(channel, y, 3 - x, 0))
  expect([...horizontalFlip(1)(one, rng).pixels]).toEqual(mirrored)
  expect(horizontalFlip(0)(one, rng)).toEqual(one)
  const { pixels } = augmentPictures(copies(1000), [horizontalFlip(0.3)], rng)
  const flips = Array.from({ length: 1000 }, (_, index) => pixels[24 * index]).filter((first) => first === 4).length
  expect(flips).toBeGreaterThan(300 - 5 * Math.sqrt(210))
  expect(flips).toBeLessThan(300 + 5 * Math.sqrt(210))
})

test('a shift moves the whole picture, equally often to each place', () => {
  const background = 99
  const shifts = [-1, 0, 1].flatMap((dy) =>
    [-1, 0, 1].map((dx) => picture((c, y, x) => pixelOf(c, y + dy, x + dx, background)).join()),
  )
  const { pixels } = augmentPictures(copies(900), [shifted({ by: 1, background })], rng)
  const counts = new Map(shifts.map((shift) => [shift, 0]))
  for (let index = 0; index < 900; index++) {
    const moved = pixels.subarray(24 * index, 24 * (index + 1)).join()
    expect(counts.has(moved)).toBe(true)
    counts.set(moved, counts.get(moved)! + 1)
  }
  for (const count of counts.values()) expect(Math.abs(count - 100)).toBeLessThan(5 * Math.sqrt(100))
})

test('a shift by more than the picture leaves background', () => {
  const { pixels } = augmentPictures(copies(300), [shifted({ by: 9, background: 0 })], rng)
  expect(pixels.every((value) => value <= 24)).toBe(true)
  const seen = Array.from({ length: 300 }, (_, index) => pixels.subarray(24 * index, 24 * index + 24).some((value) => value !== 0))
  // 5 × 7 of the 19 × 19 shifts leave something to see.
  expect(seen.filter((some) => some).length).toBeGreaterThan(5)
  expect(seen.filter((some) => some).length).toBeLessThan(60)
})

test('what becomes of a picture depends on its number alone', () => {
  const changes = [horizontalFlip(), shifted({ by: 2, background: 0 })]
  const all = augmentPictures(copies(20), changes, rng)
  expect(augmentPictures(copies(20), changes, createRng(5))).toEqual(all)
  expect(augmentPictures(copies(12), changes, rng)).toEqual(
    selectPictures(
      all,
      Array.from({ length: 12 }, (_, index) => index),
    ),
  )
  expect(augmentPictures(copies(20), changes, rng.fold(1)).pixels).not.toEqual(all.pixels)
  expect(all.labels).toEqual(copies(20).labels)
})

test('refuses other options, and changes of size', () => {
  expect(() => horizontalFlip(1.5)).toThrow(OptionError)
  expect(() => horizontalFlip(Number.NaN)).toThrow(OptionError)
  expect(() => shifted({ by: 0, background: 0 })).toThrow(OptionError)
  expect(() => shifted({ by: 1 } as never)).toThrow(OptionError)
  expect(() => augmentPictures(copies(1), [() => ({ ...one, pixels: new Uint8Array(1) })], rng)).toThrow('a change of size')
})
