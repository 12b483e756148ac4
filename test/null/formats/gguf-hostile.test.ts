import { describe, expect, test } from 'vitest'
import { type ByteSource, memorySource } from '../../../src/base/byte-source.ts'
import { DataError, FormatError, OptionError } from '../../../src/base/errors.ts'
import { readGguf } from '../../../src/formats/index.ts'
import {
  arrayOf,
  bytesOf,
  entry,
  type FileParts,
  ggufFile,
  type TensorParts,
  tensorInfo,
  tensorTypes,
  text,
  uint32,
  uint64,
  valueTypes,
} from './gguf-files.ts'

const { uint8, int32, bool, string, array } = valueTypes
const all = 2n ** 64n - 1n // -1 of 64 bits

const one = entry('k', uint8, Uint8Array.of(1))
const whole = ggufFile({ entries: [one], tensors: [tensorInfo({})], data: new Uint8Array(8) })

const withEntries = (...entries: Uint8Array[]) => ggufFile({ entries })
const withValue = (type: number, value: Uint8Array) => withEntries(entry('k', type, value))
const aligned = (alignment: number, parts: FileParts = {}) =>
  ggufFile({ entries: [entry('general.alignment', valueTypes.uint32, uint32(alignment))], ...parts })
/** Tensors one after another in the header, with 64 bytes of data. */
const withTensors = (...tensors: TensorParts[]) => ggufFile({ tensors: tensors.map(tensorInfo), data: new Uint8Array(64) })
const nested = (depth: number) => {
  let value = arrayOf(uint8, [])
  for (let level = 1; level < depth; level++) value = arrayOf(array, [value])
  return value
}

describe('files that are broken in one place', () => {
  test.each<[string, Uint8Array, RegExp]>([
    ['no bytes', new Uint8Array(0), /ends in its head, after 0 bytes; the file may be truncated/],
    ['a bad magic', ggufFile({ magic: 'FUGG' }), /does not begin with 'GGUF'/],
    ['version 0', ggufFile({ version: 0 }), /version 0; expected 2 or 3/],
    ['version 1', ggufFile({ version: 1 }), /version 1; expected 2 or 3; convert/],
    ['a future version', ggufFile({ version: 4 }), /version 4; expected 2 or 3/],
    ['the other byte order', ggufFile({ version: 0x03000000 }), /is big-endian; expected little-endian/],
    ['-1 tensors', ggufFile({ tensorCount: all }), /number of tensors claims 18446744073709551615; expected at most 0/],
    ['-1 entries', ggufFile({ entryCount: all }), /number of metadata entries claims 18446744073709551615; expected at most 0/],
    ['more tensors than fit', ggufFile({ tensorCount: 3, tensors: [tensorInfo({})] }), /number of tensors claims 3/],
    [
      'more entries than fit',
      ggufFile({ entryCount: 2, entries: [one] }),
      /number of metadata entries claims 2; expected at most 1/,
    ],
    ['a key of size -1', withEntries(bytesOf(uint64(all), new Uint8Array(9))), /key 0 claims 18446744073709551615/],
    ['a key that is too long', withEntries(entry('k'.repeat(65_536), uint8, Uint8Array.of(1))), /key 0 has 65536 bytes/],
    ['an empty key', withEntries(entry('', uint8, Uint8Array.of(1))), /key 0 is empty/],
    ['a key that is not UTF-8', withEntries(bytesOf(uint64(1), [0xff], uint32(uint8), [1])), /key 0 is not UTF-8/],
    ['a bad type of value', withValue(13, new Uint8Array(8)), /value of "k" has type 13; expected 0 to 12/],
    ['a type of value of -1', withValue(-1, new Uint8Array(8)), /value of "k" has type 4294967295/],
    ['a bad type of elements', withValue(array, arrayOf(13, [new Uint8Array(8)])), /value of "k" has type 13/],
    ['a key twice', withEntries(one, entry('j', uint8, Uint8Array.of(1)), one), /the key "k" comes twice/],
    ['a bool of 2', withValue(bool, Uint8Array.of(2)), /a bool is 2; expected 0 or 1/],
    ['a bool of 2 in an array', withValue(array, arrayOf(bool, [Uint8Array.of(1), Uint8Array.of(2)])), /a bool is 2/],
    ['a string of size -1', withValue(string, uint64(all)), /value of "k" claims 18446744073709551615; expected at most 0/],
    ['a string beyond the file', withValue(string, bytesOf(uint64(5), [1, 2, 3, 4])), /value of "k" claims 5; expected at most 4/],
    ['a string that is not UTF-8', withValue(string, bytesOf(uint64(1), [0x80])), /value of "k" is not UTF-8/],
    ['strings that are UTF-8 only together', halves(), /a string of the value of "k" is not UTF-8/],
    [
      'an array of size -1',
      withValue(array, arrayOf(uint8, [], all)),
      /value of "k" claims 18446744073709551615; expected at most 0/,
    ],
    ['an array beyond the file', withValue(array, arrayOf(int32, [uint32(1)], 2)), /value of "k" claims 2; expected at most 1/],
    ['strings beyond the file', withValue(array, arrayOf(string, [text('')], 2)), /value of "k" claims 2; expected at most 1/],
    ['arrays beyond the file', withValue(array, arrayOf(array, [], 2n ** 60n)), /value of "k" claims 1152921504606846976/],
    ['a string of an array beyond the file', withValue(array, arrayOf(string, [uint64(7)])), /value of "k" claims 7/],
    ['arrays nested too deep', withValue(array, nested(5)), /value of "k" nests arrays deeper than the limit maxDepth/],
    ['an alignment of 0', aligned(0), /general.alignment is 0; expected a power of two/],
    ['an alignment that is no power of two', aligned(13), /general.alignment is 13; expected a power of two/],
    [
      'an alignment of the wrong type',
      withEntries(entry('general.alignment', int32, uint32(32))),
      /general.alignment has type int32; expected uint32/,
    ],
    [
      'an alignment that is an array',
      withEntries(entry('general.alignment', array, nested(1))),
      /general.alignment has type array/,
    ],
    [
      'an alignment beyond the file',
      aligned(2 ** 31, { tensors: [tensorInfo({})] }),
      /"w" takes 8 bytes from byte 0 of the data; expected the 0/,
    ],
    ['an empty name', withTensors({ name: '' }), /tensor 0 has no name/],
    ['a name that is too long', withTensors({ name: 'n'.repeat(65) }), /the name of tensor 0 has 65 bytes; expected at most 64/],
    ['a tensor twice', withTensors({}, { offset: 32 }), /tensor "w" comes twice/],
    ['5 dimensions', withTensors({ dimensions: [1, 1, 1, 1, 1] }), /"w" has 5 dimensions; expected at most 4/],
    ['2^32 - 1 dimensions', withTensors({ dimensionCount: -1 }), /"w" has 4294967295 dimensions/],
    ['a negative dimension', withTensors({ dimensions: [all] }), /"w" has a dimension of -1; expected at least 1/],
    ['a dimension of 0', withTensors({ dimensions: [2, 0] }), /"w" has a dimension of 0/],
    [
      'too many elements',
      withTensors({ dimensions: [2 ** 31, 2 ** 31, 2] }),
      /"w" has the shape \[2, 2147483648, 2147483648\], which overflows/,
    ],
    ['too many bytes', withTensors({ dimensions: [2 ** 51 + 1] }), /"w" has the shape \[2251799813685249\], which overflows/],
    ['sizes whose sum wraps', huge(), /"a" takes 9007199254740988 bytes from byte 0 of the data; expected the 64 of the file/],
    [
      'rows that are no whole blocks',
      withTensors({ dimensions: [33], type: tensorTypes.Q8_0 }),
      /"w" of type q8_0 has rows of 33; expected a multiple of 32/,
    ],
    ['a scalar of blocks', withTensors({ dimensions: [], type: tensorTypes.Q8_0 }), /"w" of type q8_0 has rows of 1/],
    [
      'a type that ggml has and nextx not',
      withTensors({ dimensions: [256], type: 10 }),
      /tensor "w" has type Q2_K, which nextx does not read; expected float32/,
    ],
    ['a type that does not exist', withTensors({ type: 12345 }), /tensor "w" has type 12345, which nextx does not read/],
    ['an offset that is not aligned', withTensors({ offset: 4 }), /"w" has offset 4; expected a multiple of 32/],
    [
      'an offset beyond the file',
      withTensors({}, { name: 'v', offset: 96 }),
      /"v" takes 8 bytes from byte 96 of the data; expected the 64/,
    ],
    ['an offset of -32', withTensors({ offset: all - 31n }), /"w" takes 8 bytes from byte 18446744073709551584/],
    [
      'tensors that overlap',
      withTensors({ dimensions: [9] }, { name: 'v', offset: 32 }),
      /tensor "v" overlaps the tensor before it at byte 32/,
    ],
    ['tensors in the same place', withTensors({}, { name: 'v' }), /tensor "v" overlaps the tensor before it at byte 0/],
    ['a gap', withTensors({ offset: 32 }), /"w" leaves a gap before it, from byte 0 to 32/],
    [
      'a tensor that does not fit',
      withTensors({ dimensions: [17] }),
      /"w" takes 68 bytes from byte 0 of the data; expected the 64/,
    ],
    ['truncated data', whole.subarray(0, -1), /"w" takes 8 bytes from byte 0 of the data; expected the 7 of the file/],
    [
      'a file that ends before its data',
      ggufFile({ tensors: [tensorInfo({})] }),
      /"w" takes 8 bytes from byte 0 of the data; expected the 0/,
    ],
  ])('%s', async (_name, bytes, message) => {
    const reading = readGguf(memorySource(bytes, 'file'))
    await expect(reading).rejects.toThrow(FormatError)
    await expect(reading).rejects.toThrow(message)
  })

  test('a header that ends anywhere', async () => {
    await readGguf(memorySource(whole, 'file'))
    for (let length = 0; length < whole.length; length++) {
      await expect(readGguf(memorySource(whole.subarray(0, length), 'file')), `${length} bytes`).rejects.toThrow(FormatError)
    }
  })
})

/** 'é' cut in two. */
function halves(): Uint8Array {
  return withValue(array, arrayOf(string, [bytesOf(uint64(1), [0xc3]), bytesOf(uint64(1), [0xa9])]))
}

/** Sizes that are exact, one by one. */
function huge(): Uint8Array {
  const dimensions = [2 ** 51 - 1]
  return withTensors({ name: 'a', dimensions }, { name: 'b', dimensions, offset: 2 ** 53 })
}

describe('limits', () => {
  const strings = withValue(array, arrayOf(string, Array(3).fill(text('a'))))

  test.each<[string, Uint8Array, object, RegExp]>([
    ['the header', whole, { maxHeaderBytes: 50 }, /beyond the limit maxHeaderBytes of 50 in tensor "w"/],
    ['a count within the limit', whole, { maxHeaderBytes: 30 }, /number of tensors claims 1; expected at most 0/],
    ['strings', strings, { maxValues: 3 }, /value of "k" exceeds the limit maxValues of 3/],
    ['booleans', withValue(array, arrayOf(bool, [new Uint8Array(4)], 4)), { maxValues: 4 }, /maxValues of 4/],
    ['arrays in arrays, which cost more', withValue(array, nested(2)), { maxValues: 10 }, /maxValues of 10/],
    ['tensors and entries', whole, { maxValues: 1 }, /tensor "w" exceeds the limit maxValues of 1/],
    ['depth', withValue(array, nested(2)), { maxDepth: 1 }, /deeper than the limit maxDepth/],
    ['names', withTensors({ name: 'long' }), { maxNameBytes: 3 }, /has 4 bytes; expected at most 3/],
  ])('%s', async (_name, bytes, limits, message) => {
    await expect(readGguf(memorySource(bytes, 'file'), limits)).rejects.toThrow(message)
    await expect(readGguf(memorySource(bytes, 'file'), limits)).rejects.toThrow(FormatError)
  })

  test('what is just within them is read', async () => {
    expect((await readGguf(memorySource(strings, 'file'), { maxValues: 4, maxHeaderBytes: strings.length })).metadata.size).toBe(1)
    expect((await readGguf(memorySource(withValue(array, nested(4)), 'file'))).metadata.get('k')).toEqual([[[new Uint8Array(0)]]])
  })

  test('unknown or senseless limits are refused', async () => {
    await expect(readGguf(memorySource(whole, 'file'), { maxTensors: 1 } as object)).rejects.toThrow(OptionError)
    await expect(readGguf(memorySource(whole, 'file'), { maxDepth: 0 })).rejects.toThrow(OptionError)
  })
})

test('a source that gives fewer bytes than it was asked for is noticed', async () => {
  const source: ByteSource = { ...memorySource(whole, 'file'), read: async () => whole.subarray(0, 20) }
  await expect(readGguf(source)).rejects.toThrow(DataError)
})
