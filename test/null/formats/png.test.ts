import { deflateSync } from 'node:zlib'
import { PNG } from 'pngjs'
import { describe, expect, test } from 'vitest'
import { FormatError, OptionError } from '../../../src/base/errors.ts'
import type { Pictures } from '../../../src/base/pictures.ts'
import { decodePicture, encodePng } from '../../../src/formats/index.ts'
import { chunk, concatenated, type PngPlan, pngFile } from './png-files.ts'

const [width, height] = [11, 9]

/** Samples that differ from pixel to pixel, over the whole range of a depth. */
function samplesOf(each: number, depth: number, most = 2 ** depth - 1): number[] {
  return Array.from({ length: width * height * each }, (_, index) => (index * 7919 + (index >> 3) * 31) % (most + 1))
}

const palette = Array.from({ length: 3 * 13 }, (_, index) => (index * 37) % 256)

function plan(type: number, depth: number, more: Partial<PngPlan> = {}): PngPlan {
  const each = [1, 0, 3, 1, 2, 0, 4][type]!
  const most = type === 3 ? Math.min(2 ** depth, 13) - 1 : undefined
  return { width, height, type, depth, samples: samplesOf(each, depth, most), ...(type === 3 ? { palette } : {}), ...more }
}

/** What pngjs reads: `[y, x, red green blue alpha]`, laid over the background, as `[channel, y, x]`. */
function oracle(file: Uint8Array, channels: number, background: number): Pictures {
  const { data } = PNG.sync.read(Buffer.from(file), { skipRescale: false })
  const area = width * height
  const pixels = new Uint8Array(channels * area)
  for (let pixel = 0; pixel < area; pixel++) {
    const alpha = data[4 * pixel + 3]! / 255
    for (let channel = 0; channel < channels; channel++)
      pixels[channel * area + pixel] = Math.round(alpha * data[4 * pixel + channel]! + (1 - alpha) * background)
  }
  return { count: 1, channels, height, width, pixels }
}

describe('reads what another program reads', () => {
  const grey = [1, 2, 4, 8].map((depth): [string, PngPlan, number] => [`grey of ${depth} bits`, plan(0, depth), 1])
  const palettes = [1, 2, 4, 8].map((depth): [string, PngPlan, number] => [`a palette of ${depth} bits`, plan(3, depth), 3])
  test.each<[string, PngPlan, number]>([
    ...grey,
    ...palettes,
    ['colour', plan(2, 8), 3],
    ['grey and alpha', plan(4, 8), 1],
    ['colour and alpha', plan(6, 8), 3],
    ['grey with a transparent shade', plan(0, 8, { transparency: [0, 31] }), 1],
    ['grey of 2 bits with a transparent shade', plan(0, 2, { transparency: [0, 2] }), 1],
    ['colour with a transparent colour', plan(2, 8, { samples: Array(297).fill(7), transparency: [0, 7, 0, 7, 0, 7] }), 3],
    ['a palette with alphas', plan(3, 4, { transparency: [0, 128, 255, 3] }), 3],
    ['interlaced grey', plan(0, 8, { interlaced: true }), 1],
    ['interlaced colour and alpha', plan(6, 8, { interlaced: true }), 3],
    ['an interlaced palette', plan(3, 8, { interlaced: true }), 3],
    ['an interlaced picture with empty passes', plan(2, 8, { interlaced: true }), 3],
  ])('%s', async (_, file, channels) => {
    const bytes = pngFile(file)
    for (const background of [255, 10])
      expect(await decodePicture(bytes, { background })).toEqual(oracle(bytes, channels, background))
    expect(await decodePicture(bytes)).toEqual(oracle(bytes, channels, 255))
  })
})

test.each([false, true])('16 bits are rounded to 8; interlaced: %s', async (interlaced) => {
  const grey = plan(0, 16, { interlaced })
  const { pixels } = await decodePicture(pngFile(grey))
  expect([...pixels]).toEqual(Array.from(grey.samples, (sample) => Math.round((sample / 65535) * 255)))
  const alpha = plan(4, 16, { interlaced })
  const laid = await decodePicture(pngFile(alpha), { background: 0 })
  const expected = Array.from(laid.pixels, (_, pixel) => {
    const colour = Math.round((alpha.samples[2 * pixel]! / 65535) * 255)
    return Math.round((alpha.samples[2 * pixel + 1]! / 65535) * colour)
  })
  expect([...laid.pixels]).toEqual(expected)
})

test('a shade of 16 bits is transparent only as a whole', async () => {
  const samples = [0x1234, 0x1235, 0x1234]
  const file = pngFile({ width: 3, height: 1, type: 0, depth: 16, samples, transparency: [0x12, 0x34] })
  expect([...(await decodePicture(file)).pixels]).toEqual([255, 18, 255])
})

test('profiles and texts are passed over, whatever is in them', async () => {
  const bomb = Uint8Array.of(65, 0, 0, ...deflateSync(new Uint8Array(2 ** 20)))
  const extra = [chunk('iCCP', bomb), chunk('tEXt', Uint8Array.of(1, 2, 3)), chunk('zTXt', bomb), chunk('acTL', new Uint8Array(8))]
  const file = pngFile(plan(2, 8, { extra }))
  expect(await decodePicture(file)).toEqual(await decodePicture(pngFile(plan(2, 8))))
})

test('data may be in several chunks, and the file in a view', async () => {
  const file = pngFile(plan(2, 8))
  const start = Buffer.from(file).indexOf('IDAT')
  const data = file.subarray(start + 4, file.length - 16)
  const pieces = [data.subarray(0, 10), data.subarray(10, 10), data.subarray(10)].map((piece) => chunk('IDAT', piece))
  const parted = concatenated([Uint8Array.of(1, 2, 3), file.subarray(0, start - 4), ...pieces, file.subarray(-12)])
  expect(await decodePicture(parted.subarray(3))).toEqual(await decodePicture(file))
})

describe('refuses', () => {
  const good = pngFile(plan(2, 8))
  const byte = (index: number, value: number) => good.with(index, value)
  const refused = (more: Partial<PngPlan>, type = 2) => pngFile(plan(type, 8, more))
  test.each<[string, Uint8Array, string]>([
    ['no bytes', new Uint8Array(0), 'no picture that can be read'],
    ['another format', new TextEncoder().encode('GIF89a......'), 'expected PNG or JPEG'],
    ['the signature alone', good.slice(0, 8), 'cut short'],
    ['half a file', good.slice(0, good.length >> 1), 'cut short'],
    ['a file without its last chunk', good.slice(0, -12), 'cut short'],
    ['a changed pixel', byte(good.length - 24, good.at(-24)! ^ 4), 'corrupt'],
    ['a changed checksum', byte(32, good[32]! ^ 1), 'CRC'],
    ['a header of another length', byte(11, 12), 'PNG: '],
    ['no height', refused({ height: 0 }), '11 × 0 pixels'],
    [
      'a huge picture',
      refused({ width: 2 ** 31 - 1, height: 2 ** 31 - 1, inflated: new Uint8Array(9) }),
      'at most 67108864 pixels',
    ],
    ['a large picture of little data', refused({ width: 8000, height: 8000, inflated: new Uint8Array(9) }), 'hold less than the'],
    ['too little data', refused({ inflated: new Uint8Array(34 * 9 - 1) }), '305 bytes of data; expected the 306'],
    ['too much data', refused({ inflated: new Uint8Array(34 * 9 + 1) }), 'more data than the header names'],
    ['a bomb', refused({ inflated: new Uint8Array(2 ** 22) }), 'more data than the header names'],
    ['an unknown filter', refused({ inflated: new Uint8Array(34 * 9).fill(7) }), 'filter'],
    ['a depth that colours do not have', refused({ depth: 4 }), 'colour type 2 of 4 bits'],
    ['a type that does not exist', byte(25, 5), 'colour type 5'],
    ['a way of interlacing that does not exist', byte(28, 2), 'interlacing'],
    ['an interlaced picture of 1 bit', pngFile(plan(0, 1, { interlaced: true })), 'interlaced picture of 1 bits'],
    ['a palette picture without palette', refused({ type: 3, samples: samplesOf(1, 8, 3) }), 'palette is missing'],
    ['a colour outside the palette', refused({ samples: Array(99).fill(13) }, 3), "expected one of the palette's 13"],
    ['a grey picture with a palette', refused({ palette }, 0), 'a grey picture with a palette'],
    ['half a colour', refused({ palette: [1, 2, 3, 4] }), 'a palette of 4 bytes'],
    ['more alphas than colours', refused({ transparency: Array(14).fill(0) }, 3), '14 bytes about transparency'],
    ['transparency beside alpha', refused({ transparency: [0, 0] }, 6), '2 bytes about transparency'],
    ['an unknown critical chunk', refused({ extra: [chunk('ABCD', new Uint8Array(1))] }), "a chunk 'ABCD'"],
    ['a chunk without a name', refused({ extra: [chunk('\0\0\0\0', new Uint8Array(1))] }), 'begins no chunk'],
    ['two headers', refused({ extra: [good.slice(8, 33)] }), "two chunks 'IHDR'"],
    ['a palette after transparency', refused({ extra: [chunk('tRNS', new Uint8Array(6))], palette }), 'in an order'],
    [
      'data in two places',
      refused({ extra: [chunk('IDAT', new Uint8Array(6)), chunk('tEXt', new Uint8Array(6))] }),
      'several places',
    ],
  ])('%s', async (_, bytes, problem) => {
    const decoding = decodePicture(bytes)
    await expect(decoding).rejects.toThrow(FormatError)
    await expect(decoding).rejects.toThrow(problem)
  })

  test('more pixels than the limit, and unknown options', async () => {
    await expect(decodePicture(good, { limits: { maxPixels: 98 } })).rejects.toThrow('11 × 9 pixels; expected at most 98 pixels')
    expect((await decodePicture(good, { limits: { maxPixels: 99 } })).width).toBe(11)
    await expect(decodePicture(good, { limits: { maxBytes: 99 } as never })).rejects.toThrow(OptionError)
    await expect(decodePicture(good, { background: 256 })).rejects.toThrow(OptionError)
    await expect(decodePicture(good, { colour: true } as never)).rejects.toThrow(OptionError)
  })
})

describe('writes', () => {
  test.each([1, 3])('what this and another program read; channels: %s', async (channels) => {
    const pixels = Uint8Array.from({ length: 2 * channels * width * height }, (_, index) => (index * 7919) % 256)
    const pictures = { count: 2, channels, height, width, pixels }
    for (const index of [0, 1]) {
      const file = encodePng(pictures, index)
      const half = pixels.length / 2
      const one = { ...pictures, count: 1, pixels: pixels.slice(index * half, (index + 1) * half) }
      expect(await decodePicture(file)).toEqual(one)
      expect(oracle(file, channels, 0)).toEqual(one)
    }
    expect(encodePng(pictures)).toEqual(encodePng(pictures, 0))
  })

  test('no picture that is not there, and none of two channels', () => {
    const pictures = { count: 1, channels: 2, height: 1, width: 1, pixels: new Uint8Array(2) }
    expect(() => encodePng(pictures)).toThrow(OptionError)
    expect(() => encodePng({ ...pictures, channels: 1, width: 2 }, 1)).toThrow('there is no picture 1')
  })
})
