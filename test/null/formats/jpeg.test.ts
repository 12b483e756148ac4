import { encode } from 'jpeg-js'
import { describe, expect, test } from 'vitest'
import { FormatError } from '../../../src/base/errors.ts'
import type { Pictures } from '../../../src/base/pictures.ts'
import { decodePicture } from '../../../src/formats/index.ts'
import { type JpegName, jpegColour, jpegFile } from './jpeg-files.ts'

const [width, height] = [27, 21]

/** Mean and largest difference from the picture before compression. */
function differences({ channels, pixels }: Pictures): { mean: number; largest: number } {
  let [sum, largest] = [0, 0]
  for (const [index, value] of pixels.entries()) {
    const pixel = index % (width * height)
    const [red, green, blue] = jpegColour(pixel % width, Math.floor(pixel / width))
    const grey = 0.299 * red + 0.587 * green + 0.114 * blue
    const expected = channels === 1 ? grey : [red, green, blue][Math.floor(index / (width * height))]!
    const difference = Math.abs(value - expected)
    sum += difference
    largest = Math.max(largest, difference)
  }
  return { mean: sum / pixels.length, largest }
}

test.each<[JpegName, number, number, number]>([
  ['baseline', 3, 2, 12],
  ['subsampled', 3, 8, 45],
  ['rgb', 3, 2, 12],
  ['grey', 1, 2, 12],
])('reads what libjpeg wrote: %s', async (name, channels, mean, largest) => {
  const picture = await decodePicture(jpegFile(name))
  expect({ ...picture, pixels: picture.pixels.length }).toEqual({ count: 1, channels, height, width, pixels: 567 * channels })
  expect(differences(picture).mean).toBeLessThan(mean)
  expect(differences(picture).largest).toBeLessThan(largest)
})

test.each<[JpegName, JpegName]>([
  ['progressive', 'baseline'],
  ['restarts', 'baseline'],
  ['greyRestarts', 'grey'],
])('reads the same coefficients in another order: %s', async (name, same) => {
  expect(await decodePicture(jpegFile(name))).toEqual(await decodePicture(jpegFile(same)))
})

test('what follows the picture is passed over', async () => {
  const file = jpegFile('grey')
  expect(await decodePicture(Uint8Array.from([0, ...file, 1, 2, 3]).subarray(1))).toEqual(await decodePicture(file))
})

describe('refuses', () => {
  const grey = jpegFile('grey')
  const at = Buffer.from(grey).indexOf(Buffer.of(0xff, 0xc0))
  const scan = Buffer.from(grey).indexOf(Buffer.of(0xff, 0xda))
  const changed = (index: number, ...values: number[]) =>
    Uint8Array.from([...grey.subarray(0, index), ...values, ...grey.subarray(index + values.length)])
  const inserted = (index: number, bytes: Iterable<number>) =>
    Uint8Array.from([...grey.subarray(0, index), ...bytes, ...grey.subarray(index)])
  test.each<[string, Uint8Array, string]>([
    ['two bytes', grey.slice(0, 2), 'cut short'],
    ['half a file', grey.slice(0, grey.length >> 1), 'cut short'],
    ['a file without its end', grey.slice(0, -2), 'cut short'],
    ['an end in the middle of the data', Uint8Array.from([...grey.subarray(0, -80), 0xff, 0xd9]), 'JPEG: '],
    ['an arithmetic-coded picture', jpegFile('arithmetic'), 'arithmetic-coded'],
    ['12 bits', changed(at + 4, 12), 'samples of 12 bits'],
    ['no width', changed(at + 7, 0, 0), '0 × 21 pixels'],
    ['a huge picture', changed(at + 5, 255, 255, 255, 255), 'at most 67108864 pixels'],
    ['a large picture of little data', changed(at + 5, 16, 0, 16, 0), 'for 4096 × 4096 pixels, which is too little'],
    ['two components', changed(at + 9, 2), '2 components'],
    ['a frame of another length', changed(at + 9, 3), 'wrong length'],
    ['a sampling factor of 0', changed(at + 11, 0x10), 'sampling factor'],
    ['no scan', Uint8Array.from([...grey.subarray(0, scan), 0xff, 0xd9]), '0 scans'],
    ['two pictures', inserted(scan, grey.subarray(at, at + 13)), '2 pictures'],
    [
      'too many scans',
      inserted(
        scan,
        Array(130)
          .fill([...grey.subarray(scan, -2)])
          .flat(),
      ),
      'at most 128',
    ],
    ['a segment of one byte', changed(at + 2, 0, 1), 'a segment of 1 bytes'],
    ['bytes between segments', inserted(at, [0]), 'begins no segment'],
    ['a restart outside data', inserted(at, [0xff, 0xd0, 0, 2]), 'd0 out of place'],
    [
      'data before the sizes',
      Uint8Array.from([...grey.subarray(0, 2), ...grey.subarray(scan, -2), ...grey.subarray(2)]),
      'JPEG: 1 pictures',
    ],
    ['no Huffman tables', Uint8Array.from([...grey.subarray(0, at + 13), ...grey.subarray(scan)]), 'corrupt'],
  ])('%s', async (_, bytes, problem) => {
    const decoding = decodePicture(bytes)
    await expect(decoding).rejects.toThrow(FormatError)
    await expect(decoding).rejects.toThrow(problem)
  })

  test('noise after the header: what the library says of its variables is the cause alone', async () => {
    const noise = Uint8Array.from({ length: grey.length - scan - 12 }, (_, i) => ((i * 151) % 254) + 1)
    const files = [
      Uint8Array.from([...grey.subarray(0, at + 13), ...grey.subarray(scan)]),
      Uint8Array.from([...grey.subarray(0, scan + 10), ...noise, 0xff, 0xd9]),
    ]
    for (const bytes of files) {
      const error = await decodePicture(bytes).catch((problem: unknown) => problem)
      expect(error).toBeInstanceOf(FormatError)
      expect((error as FormatError).message).toBe('JPEG: the file is corrupt')
      expect((error as FormatError).cause).toBeDefined()
    }
  })

  test('more pixels than the limit', async () => {
    await expect(decodePicture(grey, { limits: { maxPixels: 566 } })).rejects.toThrow('at most 566 pixels')
    expect((await decodePicture(grey, { limits: { maxPixels: 567 } })).count).toBe(1)
  })
})

test('a blank picture, whose data is as little as can be, is not too little', async () => {
  const blank = { width: 512, height: 512, data: new Uint8Array(4 * 512 * 512).fill(128) }
  const { pixels } = await decodePicture(new Uint8Array(encode(blank, 50).data))
  expect(pixels.every((value) => Math.abs(value - 128) <= 1)).toBe(true)
})
