import { gzipSync } from 'node:zlib'
import { expect, test } from 'vitest'
import { FormatError, OptionError } from '../../../src/base/errors.ts'
import { readIdx } from '../../../src/formats/index.ts'
import { idxFile } from './idx-files.ts'

const values = Uint8Array.from({ length: 24 }, (_, index) => index * 10)
const file = idxFile([2, 3, 4], values)

test.each([
  ['plain', file],
  ['compressed', gzip(file)],
  ['a view into more bytes', Uint8Array.from([9, 9, 9, ...file]).subarray(3)],
  ['compressed, in a view', Uint8Array.from([9, ...gzip(file)]).subarray(1)],
])('reads a file: %s', async (_, bytes) => {
  expect(await readIdx(bytes)).toEqual({ shape: [2, 3, 4], data: values })
})

test('reads many pieces of compressed data', async () => {
  const data = Uint8Array.from({ length: 300_000 }, (_, index) => (index * index * 7) % 251)
  const read = await readIdx(gzip(idxFile([300_000], data)))
  // Comparing element by element takes seconds.
  expect(Buffer.compare(read.data, data)).toBe(0)
})

test.each<[string, Uint8Array, string]>([
  ['no bytes', new Uint8Array(0), 'does not begin as an idx file'],
  ['another format', Uint8Array.from([0x89, 80, 78, 71, 13, 10]), 'does not begin as an idx file'],
  ['an unknown type', Uint8Array.from([0, 0, 0x0a, 1, 0, 0, 0, 0]), 'does not begin as an idx file'],
  ['float32', Uint8Array.from([0, 0, 0x0d, 1, 0, 0, 0, 1, 0, 0, 0, 0]), 'the elements are float32; expected uint8'],
  ['no dimension', Uint8Array.from([0, 0, 8, 0]), '0 dimensions'],
  ['nine dimensions', idxFile([1, 1, 1, 1, 1, 1, 1, 1, 1], Uint8Array.of(1)), '9 dimensions'],
  ['half a header', file.slice(0, 10), 'ends within its header'],
  ['one byte too few', file.slice(0, -1), 'expected 40 bytes'],
  ['one byte too many', Uint8Array.from([...file, 0]), 'expected 40 bytes'],
  ['a huge size', idxFile([2 ** 32 - 1, 2 ** 32 - 1], values), 'expected at most 1073741824 bytes'],
  ['a size beyond the file', idxFile([2 ** 29], values), 'expected 536870920 bytes'],
  ['compressed: a huge size', gzip(idxFile([2 ** 29], values)), 'hold less than the 536870920'],
  ['compressed: too few bytes', gzip(file.slice(0, -1)), 'expected the 40'],
  ['compressed: too many bytes', gzip(Uint8Array.from([...file, 0])), 'more data than the header names'],
  ['compressed: a bomb', gzip(Uint8Array.from([...file, ...new Uint8Array(2 ** 22)])), 'more data than the header names'],
  ['compressed: cut short', gzip(file).slice(0, -5), 'corrupt or cut short'],
  ['compressed: cut in the header', gzip(file).slice(0, 15), 'corrupt or cut short'],
  ['compressed: a wrong checksum', flipped(gzip(file), -6), 'corrupt or cut short'],
  ['compressed: another format', gzip(Uint8Array.from([1, 2, 3])), 'does not begin as an idx file'],
])('refuses %s', async (_, bytes, problem) => {
  const reading = readIdx(bytes)
  await expect(reading).rejects.toThrow(FormatError)
  await expect(reading).rejects.toThrow(problem)
})

test('the limit can be set', async () => {
  await expect(readIdx(file, { maxBytes: 23 })).rejects.toThrow('expected at most 23 bytes')
  await expect(readIdx(file, { maxBytes: 0 })).rejects.toThrow(OptionError)
  expect((await readIdx(file, { maxBytes: 24 })).data.length).toBe(24)
})

function gzip(bytes: Uint8Array): Uint8Array {
  return new Uint8Array(gzipSync(bytes))
}

function flipped(bytes: Uint8Array, index: number): Uint8Array {
  return bytes.with(bytes.length + index, bytes.at(index)! ^ 1)
}
