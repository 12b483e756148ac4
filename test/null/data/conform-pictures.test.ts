import { expect, test } from 'vitest'
import { OptionError } from '../../../src/base/errors.ts'
import type { Pictures } from '../../../src/base/pictures.ts'
import { conformPictures, withChannels } from '../../../src/data/conform-pictures.ts'
import { resizePictures } from '../../../src/data/index.ts'

const grey: Pictures = {
  count: 1,
  channels: 1,
  height: 5,
  width: 7,
  pixels: Uint8Array.from({ length: 35 }, (_, index) => (index * index * 37 + 11) % 256),
}

// Pillow 9.4.0: Image.resize((width, height), Image.BILINEAR).
test.each([
  [{ height: 3, width: 4 }, [44, 131, 125, 132, 124, 116, 160, 150, 159, 125, 101, 98]],
  [{ height: 2, width: 7 }, [47, 90, 137, 131, 140, 164, 124, 134, 189, 73, 160, 100, 136, 108]],
  [
    { height: 8, width: 11 },
    [
      [11, 28, 58, 129, 133, 88, 90, 112, 161, 111, 63],
      [20, 39, 70, 143, 148, 105, 109, 133, 183, 135, 88],
      [36, 56, 89, 153, 163, 132, 138, 160, 202, 164, 126],
      [75, 97, 118, 82, 110, 183, 191, 171, 115, 151, 188],
      [128, 151, 167, 83, 91, 166, 177, 160, 106, 145, 183],
      [193, 218, 236, 156, 107, 83, 96, 125, 175, 144, 111],
      [139, 165, 186, 107, 108, 168, 91, 75, 138, 101, 63],
      [91, 119, 141, 64, 107, 240, 94, 39, 103, 68, 31],
    ].flat(),
  ],
])('resizes as Pillow does, but for rounding: %s', (size, expected) => {
  const resized = resizePictures(grey, size)
  expect(resized).toMatchObject({ count: 1, channels: 1, ...size })
  for (const [index, value] of expected.entries()) expect(Math.abs(resized.pixels[index]! - value)).toBeLessThanOrEqual(1)
})

test('pictures and channels are resized apart', () => {
  const flat = {
    count: 2,
    channels: 3,
    height: 2,
    width: 3,
    pixels: Uint8Array.from({ length: 36 }, (_, index) => 40 * Math.floor(index / 6)),
  }
  const { pixels } = resizePictures(flat, { height: 3, width: 2 })
  expect([...pixels]).toEqual(Array.from({ length: 36 }, (_, index) => 40 * Math.floor(index / 6)))
  expect(resizePictures(grey, { height: 5, width: 7 }).pixels).toEqual(grey.pixels)
  expect(() => resizePictures(grey, { height: 0, width: 1 })).toThrow(OptionError)
})

test('grey becomes three channels, three channels grey', () => {
  const colours = {
    count: 1,
    channels: 3,
    height: 1,
    width: 4,
    pixels: Uint8Array.of(255, 0, 0, 10, 0, 255, 0, 100, 0, 0, 255, 200),
  }
  // Pillow 9.4.0: Image.convert('L').
  expect([...withChannels(colours, 1).pixels]).toEqual([76, 150, 29, 84])
  const two = { count: 2, channels: 1, height: 1, width: 2, pixels: Uint8Array.of(1, 2, 3, 4) }
  expect([...withChannels(two, 3).pixels]).toEqual([1, 2, 1, 2, 1, 2, 3, 4, 3, 4, 3, 4])
  expect(withChannels(two, 1)).toBe(two)
})

test('contained pictures stand whole on the background, covering ones are cut', () => {
  const wide = { count: 1, channels: 1, height: 2, width: 4, pixels: Uint8Array.of(10, 10, 50, 50, 10, 10, 50, 50) }
  const settings = { size: { height: 4, width: 4 }, channels: undefined, background: 0 }
  const contained = conformPictures(wide, { ...settings, resize: 'contain' }, 'it')
  expect([...contained.pixels]).toEqual([0, 0, 0, 0, 10, 10, 50, 50, 10, 10, 50, 50, 0, 0, 0, 0])
  const covering = conformPictures(wide, { ...settings, size: { height: 2, width: 2 }, resize: 'cover' }, 'it')
  expect([...covering.pixels]).toEqual([10, 50, 10, 50])
  const stretched = conformPictures(wide, { ...settings, resize: 'stretch' }, 'it')
  expect([...stretched.pixels]).toEqual([10, 10, 50, 50, 10, 10, 50, 50, 10, 10, 50, 50, 10, 10, 50, 50])
  expect(() => conformPictures(wide, { ...settings, resize: 'refuse' }, 'it')).toThrow(
    'it: 2 × 4 pixels; expected 4 × 4 (height × width)',
  )
})

test('a very long picture is still a pixel wide', () => {
  const line = { count: 1, channels: 1, height: 1, width: 100, pixels: new Uint8Array(100).fill(7) }
  const settings = { size: { height: 4, width: 4 }, channels: undefined, background: 0, resize: 'contain' } as const
  expect([...conformPictures(line, settings, 'it').pixels].filter((value) => value !== 0)).toEqual([7, 7, 7, 7])
})
