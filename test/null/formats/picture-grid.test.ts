import { expect, test } from 'vitest'
import { DataError, OptionError } from '../../../src/base/errors.ts'
import { pictureGrid } from '../../../src/formats/index.ts'

const three = { count: 3, channels: 1, height: 1, width: 2, pixels: Uint8Array.of(1, 2, 3, 4, 5, 6) }

function rows(grid: ReturnType<typeof pictureGrid>, channel = 0): number[][] {
  const { height, width, pixels } = grid
  return Array.from({ length: height }, (_, y) => [
    ...pixels.subarray((channel * height + y) * width, (channel * height + y + 1) * width),
  ])
}

test('pictures stand row by row; places without one are background', () => {
  expect(rows(pictureGrid(three))).toEqual([
    [1, 2, 3, 4],
    [5, 6, 255, 255],
  ])
  expect(rows(pictureGrid(three, { columns: 9 }))).toEqual([[1, 2, 3, 4, 5, 6]])
})

test('gaps stand between pictures and around them', () => {
  expect(rows(pictureGrid(three, { columns: 2, gap: 1, background: 9 }))).toEqual([
    [9, 9, 9, 9, 9, 9, 9],
    [9, 1, 2, 9, 3, 4, 9],
    [9, 9, 9, 9, 9, 9, 9],
    [9, 5, 6, 9, 9, 9, 9],
    [9, 9, 9, 9, 9, 9, 9],
  ])
})

test('each pixel becomes a square', () => {
  expect(rows(pictureGrid({ ...three, count: 1 }, { scale: 2 }))).toEqual([
    [1, 1, 2, 2],
    [1, 1, 2, 2],
  ])
})

test('channels stay apart', () => {
  const colours = { count: 2, channels: 3, height: 1, width: 1, pixels: Uint8Array.of(1, 2, 3, 4, 5, 6) }
  const grid = pictureGrid(colours, { columns: 2 })
  expect(grid).toMatchObject({ count: 1, channels: 3, height: 1, width: 2 })
  expect([0, 1, 2].map((channel) => rows(grid, channel)[0])).toEqual([
    [1, 4],
    [2, 5],
    [3, 6],
  ])
})

test('refuses no pictures, grids without bounds and other options', () => {
  expect(() => pictureGrid({ ...three, count: 0, pixels: new Uint8Array(0) })).toThrow(DataError)
  const large = { count: 100, channels: 1, height: 100, width: 100, pixels: new Uint8Array(10 ** 6) }
  expect(() => pictureGrid(large, { scale: 64 })).toThrow('a grid of 64000 × 64000 pixels')
  expect(() => pictureGrid(three, { columns: 0 })).toThrow(OptionError)
  expect(() => pictureGrid(three, { margin: 1 } as never)).toThrow(OptionError)
})
