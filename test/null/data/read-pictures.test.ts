import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { gzipSync } from 'node:zlib'
import { expect, onTestFinished, test } from 'vitest'
import { DataError, FormatError, OptionError } from '../../../src/base/errors.ts'
import { type ReadPicturesOptions, readPictures } from '../../../src/data/index.ts'
import { encodePng } from '../../../src/formats/index.ts'
import { idxFile } from '../formats/idx-files.ts'
import { jpegFile } from '../formats/jpeg-files.ts'

/** A folder with these files, in folders of their own where their names say so. */
async function folderOf(files: Readonly<Record<string, Uint8Array>>): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'nextx-pictures-'))
  onTestFinished(() => rm(folder, { recursive: true }))
  for (const [name, content] of Object.entries(files)) {
    await mkdir(dirname(join(folder, name)), { recursive: true })
    await writeFile(join(folder, name), content)
  }
  return folder
}

function png(value: number, { height = 1, width = 2, channels = 1 } = {}): Uint8Array {
  const pixels = new Uint8Array(channels * height * width).fill(value)
  return encodePng({ count: 1, channels, height, width, pixels })
}

test('subfolders are classes, in the order of their names; other files are passed over', async () => {
  const folder = await folderOf({
    'shoes/b.png': png(3),
    'shoes/a.PNG': png(2),
    'bags/x/y.png': png(1),
    'bags/notes.txt': Uint8Array.of(1),
    'README.md': Uint8Array.of(1),
    '.hidden/z.png': png(9),
  })
  expect(await readPictures({ folder })).toEqual({
    count: 3,
    channels: 1,
    height: 1,
    width: 2,
    pixels: Uint8Array.of(1, 1, 2, 2, 3, 3),
    labels: Int32Array.of(0, 1, 1),
    classes: ['bags', 'shoes'],
  })
})

test('a flat folder, and files by name, have no classes', async () => {
  const folder = await folderOf({ 'b.png': png(2), 'a.png': png(1), 'c.jpg': jpegFile('grey') })
  const size = { height: 1, width: 2 }
  const read = await readPictures({ folder, size, resize: 'cover' })
  expect(read).toMatchObject({ count: 3, labels: new Int32Array(3), classes: [] })
  expect([...read.pixels.subarray(0, 4)]).toEqual([1, 1, 2, 2])
  expect(await readPictures({ files: `${folder}/*.png` })).toMatchObject({
    count: 2,
    pixels: Uint8Array.of(1, 1, 2, 2),
    classes: [],
  })
  expect(await readPictures({ files: [join(folder, 'b.png'), '!**/a.png'] })).toMatchObject({ count: 1 })
})

test('sizes and channels are changed when that is asked for', async () => {
  const folder = await folderOf({ 'a.png': png(1), 'b.png': png(4, { height: 2, width: 2, channels: 3 }) })
  const mixed = await readPictures({ folder, channels: 3, size: { height: 2, width: 2 }, resize: 'stretch' })
  expect(mixed).toMatchObject({ count: 2, channels: 3, height: 2, width: 2 })
  expect([...mixed.pixels]).toEqual([...Array(12).fill(1), ...Array(12).fill(4)])
  const contained = await readPictures({ folder, channels: 1, size: { height: 2, width: 2 }, resize: 'contain', background: 0 })
  expect([...contained.pixels]).toEqual([1, 1, 0, 0, 4, 4, 4, 4])
})

const idx = {
  'train-images-idx3-ubyte.gz': new Uint8Array(gzipSync(idxFile([2, 1, 2], Uint8Array.of(1, 2, 3, 4)))),
  'train-labels-idx1-ubyte': idxFile([2], Uint8Array.of(1, 0)),
  't10k-images-idx3-ubyte': idxFile([1, 1, 2], Uint8Array.of(5, 6)),
  't10k-labels-idx1-ubyte.gz': new Uint8Array(gzipSync(idxFile([1], Uint8Array.of(1)))),
}

test('a folder of the four idx files has two parts', async () => {
  const folder = await folderOf(idx)
  const train = { count: 2, channels: 1, height: 1, width: 2, pixels: Uint8Array.of(1, 2, 3, 4), labels: Int32Array.of(1, 0) }
  expect(await readPictures({ folder })).toEqual({ ...train, classes: ['0', '1'] })
  expect(await readPictures({ folder, part: 'train' })).toEqual({ ...train, classes: ['0', '1'] })
  expect(await readPictures({ folder, part: 'test' })).toMatchObject({ count: 1, labels: Int32Array.of(1), classes: ['0', '1'] })
  expect(await readPictures({ folder, channels: 3 })).toMatchObject({ channels: 3, labels: train.labels })
  const doubled = await readPictures({ folder, size: { height: 2, width: 2 }, resize: 'stretch' })
  expect([...doubled.pixels]).toEqual([1, 2, 1, 2, 3, 4, 3, 4])
})

test('idx files may be named', async () => {
  const folder = await folderOf(idx)
  const [images, labels] = [join(folder, 'train-images-idx3-ubyte.gz'), join(folder, 'train-labels-idx1-ubyte')]
  expect(await readPictures({ files: [labels, images] })).toMatchObject({ count: 2, labels: Int32Array.of(1, 0) })
  expect(await readPictures({ files: images })).toMatchObject({ count: 2, labels: Int32Array.of(0, 0), classes: [] })
})

test.each<
  [string, Readonly<Record<string, Uint8Array>>, Partial<ReadPicturesOptions>, typeof DataError | typeof FormatError, string]
>([
  ['other sizes', { 'a.png': png(1), 'b.png': png(1, { height: 3 }) }, {}, DataError, "b.png': 3 × 2 pixels; expected 1 × 2"],
  ['another size than asked for', { 'a.png': png(1) }, { size: { height: 2, width: 2 } }, DataError, "a.png': 1 × 2 pixels"],
  ['other channels', { 'a.png': png(1), 'b.png': png(1, { channels: 3 }) }, {}, DataError, "b.png' has 3 channels; expected 1"],
  ['a corrupt file', { 'a.png': png(1).slice(0, 40) }, {}, FormatError, "a.png': PNG: the file is cut short"],
  ['a file of another format', { 'a.jpg': Uint8Array.of(1, 2, 3) }, {}, FormatError, 'expected PNG or JPEG'],
  ['a large picture', { 'a.png': png(1) }, { maxPixels: 1 }, FormatError, 'at most 1 pixels'],
  ['a long file', { 'a.png': png(1) }, { maxBytes: 20 }, DataError, 'at most 20'],
  [
    'too many pictures',
    { 'a.png': png(1), 'b.png': png(1, { height: 200, width: 200 }) },
    { maxBytes: 1000, size: { height: 30, width: 30 }, resize: 'stretch' },
    DataError,
    'the pictures need 1800 bytes; expected at most 1000',
  ],
  ['no pictures', { 'a.txt': Uint8Array.of(1) }, {}, DataError, 'there is no picture to read'],
  ['a class without pictures', { 'a/a.png': png(1), 'b/b.txt': Uint8Array.of(1) }, {}, DataError, 'has no picture'],
  ['a picture beside classes', { 'a/a.png': png(1), 'b.png': png(1) }, {}, DataError, "b.png' lies beside the folders"],
  ['a part of what has no parts', { 'a.png': png(1) }, { part: 'test' } as never, DataError, "no idx files for the part 'test'"],
  [
    'labels for other pictures',
    { ...idx, 'train-labels-idx1-ubyte': idx['t10k-labels-idx1-ubyte.gz'] },
    {},
    DataError,
    'a label for each',
  ],
  ['idx files of another size', idx, { size: { height: 2, width: 2 } }, DataError, 'expected 2 × 2'],
])('refuses %s', async (_, files, options, Class, problem) => {
  const folder = await folderOf(files)
  const reading = readPictures({ folder, ...options } as ReadPicturesOptions)
  await expect(reading).rejects.toThrow(Class)
  await expect(reading).rejects.toThrow(problem)
})

test.each([
  [{}],
  [undefined],
  [{ folder: '.', files: 'a' }],
  [{ files: [] }],
  [{ folder: '.', shuffle: true }],
  [{ folder: '.', resize: 'crop' }],
  [{ folder: '.', resize: 'cover' }],
  [{ folder: '.', channels: 2 }],
  [{ files: 'a.png', part: 'train' }],
  [{ files: ['train-images-idx3-ubyte', 'a.png'] }],
  [{ files: ['a-idx3-ubyte', 'b-idx3-ubyte'] }],
  [{ files: ['a-idx1-ubyte'] }],
])('refuses options that do not fit: %j', async (options) => {
  await expect(readPictures(options as never)).rejects.toThrow(OptionError)
})

test('refuses a folder that is missing', async () => {
  await expect(readPictures({ folder: '/missing/folder' })).rejects.toThrow(DataError)
})
