import { PNG } from 'pngjs'
import { expect, test } from 'vitest'
import { svgToPng } from '../../../src/platform/svg-png.ts'
import * as web from '../../../src/platform/web-svg-png.ts'

const square =
  '<svg xmlns="http://www.w3.org/2000/svg" width="10" height="6"><rect width="5" height="6" fill="#ff0000"/><rect x="5" width="5" height="6" fill="#0000ff"/></svg>'

test('pixels are those of the SVG, as large as asked', async () => {
  const { width, height, data } = PNG.sync.read(Buffer.from(await svgToPng(square, { scale: 3 })))
  expect([width, height]).toEqual([30, 18])
  const pixel = (x: number, y: number) => [...data.subarray(4 * (y * width + x), 4 * (y * width + x) + 4)]
  expect(pixel(3, 9)).toEqual([255, 0, 0, 255])
  expect(pixel(26, 9)).toEqual([0, 0, 255, 255])
})

test('draws text', async () => {
  const text =
    '<svg xmlns="http://www.w3.org/2000/svg" width="40" height="20"><text y="15" font-family="sans-serif" fill="#000">MMM</text></svg>'
  const { data } = PNG.sync.read(Buffer.from(await svgToPng(text)))
  expect(data.some((value, i) => i % 4 === 3 && value > 200)).toBe(true)
})

test('refuses what is no SVG, and scales that make no picture', async () => {
  await expect(svgToPng('<p>no picture</p>')).rejects.toThrow(/^the SVG cannot be drawn/)
  await expect(svgToPng(square, { scale: 0 })).rejects.toThrow('a scale of 0; expected above 0, at most 16')
  await expect(web.svgToPng(square)).rejects.toThrow('show the SVG as it is')
})
