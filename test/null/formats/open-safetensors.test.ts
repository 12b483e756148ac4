import { describe, expect, test } from 'vitest'
import { type ByteSource, memorySource } from '../../../src/base/byte-source.ts'
import { DataError, FormatError, OptionError } from '../../../src/base/errors.ts'
import {
  openSafetensors,
  openShards,
  readSafetensors,
  readSafetensorsIndex,
  readStoredTensor,
  writeSafetensors,
} from '../../../src/formats/index.ts'
import { pythonSafetensors } from './fixtures.ts'
import { tensor } from './tensors.ts'

describe('one file', () => {
  test('has the tensors and metadata of a reader of the whole', async () => {
    const { tensors, metadata } = readSafetensors(pythonSafetensors)
    const opened = await openSafetensors(memorySource(pythonSafetensors, 'file'))
    expect(opened.metadata).toEqual(metadata)
    expect([...opened.tensors.keys()]).toEqual([...tensors.keys()])
    for (const [name, stored] of opened.tensors) expect(await readStoredTensor(stored)).toEqual(tensors.get(name))
  })

  test('is not read beyond its header', async () => {
    const file = writeSafetensors([['w', tensor('float32', [1000], Array(1000).fill(1))]])
    const source: ByteSource = {
      ...memorySource(file, 'file'),
      read: async (offset, length) => {
        expect(offset + length).toBeLessThanOrEqual(file.length - 4000)
        return file.subarray(offset, offset + length)
      },
    }
    expect((await openSafetensors(source)).tensors.get('w')).toEqual({
      type: 'float32',
      shape: [1000],
      source,
      byteOffset: file.length - 4000,
      byteLength: 4000,
    })
  })

  test('that is cut anywhere is refused', async () => {
    for (let length = 0; length < pythonSafetensors.length; length += 3) {
      const source = memorySource(pythonSafetensors.subarray(0, length), 'file')
      await expect(openSafetensors(source), `${length} bytes`).rejects.toThrow(FormatError)
    }
  })

  test('is held to the limit, which must be one', async () => {
    const source = memorySource(pythonSafetensors, 'file')
    await expect(openSafetensors(source, { maxHeaderBytes: 10 })).rejects.toThrow(/header of 616 bytes; expected at most 10/)
    await expect(openSafetensors(source, { maxBytes: 10 } as object)).rejects.toThrow(OptionError)
  })

  test('of a source that gives less than asked is refused', async () => {
    const source = { ...memorySource(pythonSafetensors, 'file'), read: async () => new Uint8Array(3) }
    await expect(openSafetensors(source)).rejects.toThrow(DataError)
  })
})

const json = (value: unknown) => new TextEncoder().encode(JSON.stringify(value))

describe('index', () => {
  test('has the names of each file', () => {
    const weights = { b: 'model-2.safetensors', a: 'model-1.safetensors', __proto__x: 'model-2.safetensors' }
    const index = readSafetensorsIndex(json({ metadata: { total_size: 12, deep: [[[1]]] }, weight_map: weights }))
    expect(index).toEqual(
      new Map([
        ['model-2.safetensors', new Set(['b', '__proto__x'])],
        ['model-1.safetensors', new Set(['a'])],
      ]),
    )
  })

  test.each([
    ['nothing', ''],
    ['three dots', '...'],
    ['the folder', '.'],
    ['the folder above', '..'],
    ['a way out', '../model.safetensors'],
    ['a way out of a folder below', 'a/../../model.safetensors'],
    ['a folder below', 'a/model.safetensors'],
    ['a way out of Windows', '..\\model.safetensors'],
    ['an absolute name', '/etc/passwd'],
    ['a drive', 'C:model.safetensors'],
    ['a stream', 'model.safetensors:hidden'],
    ['a URL', 'https://example.com/model.safetensors'],
    ['a NUL', 'model.safetensors\0.txt'],
    ['a line break', 'model\n.safetensors'],
    ['a device', 'NUL'],
    ['a device with an extension', 'aux.safetensors'],
    ['a device with spaces', 'com1 .safetensors'],
    ['a device with a raised number', 'LPT².x'],
    ['a console', 'CONIN$'],
    ['a name that Windows cuts', 'model.safetensors.'],
    ['a name that Windows trims', 'model.safetensors '],
    ['a pattern', '*.safetensors'],
    ['a name of 256 bytes', 'é'.repeat(128)],
    ['a number', 1],
    ['null', null],
    ['a list', ['model.safetensors']],
  ])('does not lead to %s', (_name, file) => {
    const read = () => readSafetensorsIndex(json({ weight_map: { w: file } }))
    expect(read).toThrow(FormatError)
    expect(read).toThrow(/has tensor "w" in .*; expected the name of a file in its own folder/)
  })

  test.each(['model.safetensors', 'model-00001-of-00002.safetensors', '.model', 'null.safetensors', 'com10', 'é'.repeat(127)])(
    'leads to %s',
    (file) => expect([...readSafetensorsIndex(json({ weight_map: { w: file } })).keys()]).toEqual([file]),
  )

  test.each<[string, Uint8Array, RegExp]>([
    ['no JSON', Uint8Array.of(0x7b), /is not JSON/],
    ['no object', json([]), /no weight_map/],
    ['no weight_map', json({ metadata: {} }), /no weight_map; expected an object of file names/],
    ['a weight_map that is a list', json({ weight_map: ['a'] }), /no weight_map/],
    ['no tensor', json({ weight_map: {} }), /names no tensor/],
    ['a tensor twice', new TextEncoder().encode('{"weight_map":{"w":"a","w":"b"}}'), /"w" twice/],
    ['deep nesting', new TextEncoder().encode(`${'['.repeat(1e5)}`), /nested deeper than 16/],
  ])('%s is refused', (_name, bytes, message) => {
    expect(() => readSafetensorsIndex(bytes)).toThrow(FormatError)
    expect(() => readSafetensorsIndex(bytes)).toThrow(message)
  })

  test('is held to its limits', () => {
    expect(() => readSafetensorsIndex(json({ weight_map: { w: 'a' } }), { maxBytes: 10 })).toThrow(/expected at most 10/)
  })
})

describe('a checkpoint in several files', () => {
  const files = new Map([
    ['one', writeSafetensors([['a', tensor('float32', [2], [1, 2])]])],
    [
      'two',
      writeSafetensors([
        ['b', tensor('int32', [1], [3])],
        ['c', tensor('float32', [1], [4])],
      ]),
    ],
  ])
  const open = async (name: string) => memorySource(files.get(name)!, name)
  const indexOf = (weights: Record<string, string>) => readSafetensorsIndex(json({ weight_map: weights }))

  test('has the tensors of all', async () => {
    const tensors = await openShards(indexOf({ c: 'two', a: 'one', b: 'two' }), open)
    const values = await Promise.all([...tensors].map(async ([name, stored]) => [name, (await readStoredTensor(stored)).data]))
    expect(new Map(values as [string, unknown][])).toEqual(
      new Map<string, unknown>([
        ['a', Float32Array.of(1, 2)],
        ['b', Int32Array.of(3)],
        ['c', Float32Array.of(4)],
      ]),
    )
    expect(tensors.get('c')?.source.name).toBe('two')
  })

  test.each<[string, Record<string, string>, RegExp]>([
    [
      'a tensor that its file lacks',
      { a: 'one', b: 'two', c: 'two', d: 'two' },
      /"two" lacks tensor "d", which the index has in it/,
    ],
    ['a tensor that is in another file', { a: 'two', b: 'two', c: 'two' }, /"two" lacks tensor "a"/],
    ['a tensor that the index lacks', { a: 'one', b: 'two' }, /"two" has tensor "c", which the index has not in it/],
  ])('with %s is refused', async (_name, weights, message) => {
    await expect(openShards(indexOf(weights), open)).rejects.toThrow(FormatError)
    await expect(openShards(indexOf(weights), open)).rejects.toThrow(message)
  })

  test('of which a file is damaged, or cannot be opened, is refused', async () => {
    const index = indexOf({ a: 'one' })
    await expect(openShards(index, async (name) => memorySource(files.get(name)!.subarray(1), name))).rejects.toThrow(FormatError)
    await expect(openShards(index, () => Promise.reject(new DataError('no such file')))).rejects.toThrow(DataError)
  })
})
