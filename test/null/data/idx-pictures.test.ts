import { join } from 'node:path'
import { gzipSync } from 'node:zlib'
import { expect, test } from 'vitest'
import { DataError, FormatError, OptionError } from '../../../src/base/errors.ts'
import { readIdxPictures } from '../../../src/data/index.ts'
import { idxFile } from '../formats/idx-files.ts'
import { folderOf } from './temporary-files.ts'

const pixels = Uint8Array.from({ length: 3 * 2 * 4 }, (_, index) => index)

async function files(): Promise<string> {
  return folderOf({
    grey: gzipSync(idxFile([3, 2, 4], pixels)),
    colour: idxFile([2, 2, 2, 3], pixels),
    labels: idxFile([3], Uint8Array.of(2, 0, 1)),
    few: idxFile([2], Uint8Array.of(2, 0)),
    none: idxFile([0, 2, 4], new Uint8Array(0)),
    four: idxFile([1, 3, 2, 4], pixels),
  })
}

test('reads pictures with labels', async () => {
  const folder = await files()
  const pair = { images: join(folder, 'grey'), labels: join(folder, 'labels') }
  const labels = Int32Array.of(2, 0, 1)
  const read = { count: 3, channels: 1, height: 2, width: 4, pixels, labels }
  expect(await readIdxPictures(pair)).toEqual({ ...read, classes: ['0', '1', '2'] })
  const classes = ['bag', 'coat', 'shirt', 'shoe']
  expect(await readIdxPictures({ ...pair, classes })).toEqual({ ...read, classes })
})

test('without labels, no picture has a class', async () => {
  const { labels, classes } = await readIdxPictures({ images: join(await files(), 'grey') })
  expect(labels).toEqual(new Int32Array(3))
  expect(classes).toEqual([])
})

test('channels that come last in the file come first in memory', async () => {
  const { count, channels, height, width, pixels: read } = await readIdxPictures({ images: join(await files(), 'colour') })
  expect([count, channels, height, width]).toEqual([2, 3, 2, 2])
  expect([...read.subarray(0, 12)]).toEqual([0, 3, 6, 9, 1, 4, 7, 10, 2, 5, 8, 11])
  expect([...read.subarray(12, 16)]).toEqual([12, 15, 18, 21])
})

test.each([
  ['labels for other pictures', { images: 'grey', labels: 'few' }, DataError, 'a label for each of the 3 pictures'],
  ['pictures as labels', { images: 'grey', labels: 'grey' }, DataError, 'a label for each of the 3 pictures'],
  ['labels as pictures', { images: 'labels' }, DataError, 'has shape [3]'],
  ['no pictures', { images: 'none' }, DataError, 'has shape [0, 2, 4]'],
  ['four channels', { images: 'four' }, DataError, 'with 1 or 3 channels'],
  ['too few classes', { images: 'grey', labels: 'labels', classes: ['a', 'b'] }, DataError, 'has the label 2'],
  ['a missing file', { images: 'missing' }, DataError, 'no such file'],
  ['a long file', { images: 'grey', maxBytes: 10 }, DataError, 'at most 10'],
])('refuses %s', async (_, { images, labels, ...options }: { images: string; labels?: string }, Class, problem) => {
  const folder = await files()
  const paths = { images: join(folder, images), ...(labels === undefined ? {} : { labels: join(folder, labels) }) }
  const reading = readIdxPictures({ ...paths, ...options })
  await expect(reading).rejects.toThrow(Class)
  await expect(reading).rejects.toThrow(problem)
})

test.each(['images', 'labels'] as const)('names the file of %s that is not as long as its header says', async (part) => {
  const folder = await folderOf({
    images: idxFile([3, 2, 4], pixels).slice(0, part === 'images' ? -1 : undefined),
    labels: idxFile([3], Uint8Array.of(2, 0, 1)).slice(0, part === 'labels' ? -1 : undefined),
  })
  const [images, labels] = [join(folder, 'images'), join(folder, 'labels')]
  const reading = readIdxPictures({ images, labels })
  await expect(reading).rejects.toThrow(FormatError)
  await expect(reading).rejects.toThrow(`cannot read '${join(folder, part)}': idx: `)
})

test('refuses pictures that become too long, and unknown options', async () => {
  const folder = await folderOf({ blank: gzipSync(idxFile([100, 10, 10], new Uint8Array(10_000))) })
  await expect(readIdxPictures({ images: join(folder, 'blank'), maxBytes: 9999 })).rejects.toThrow(FormatError)
  await expect(readIdxPictures({ images: 'a', shuffle: true } as never)).rejects.toThrow(OptionError)
})
