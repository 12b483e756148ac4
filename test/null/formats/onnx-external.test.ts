import { describe, expect, test } from 'vitest'
import { FormatError, OptionError } from '../../../src/base/errors.ts'
import { decodeOnnx, encodeOnnx, type OnnxInitializer } from '../../../src/formats/index.ts'
import { withGraph, withTensor } from './onnx-messages.ts'
import { gemm, model } from './onnx-models.ts'
import { message, text, varint } from './protobuf.ts'
import { tensor } from './tensors.ts'

describe('external data', () => {
  const weight = tensor('float32', [2, 3], [1, 2, 3, 4, 5, 6])
  const bias = tensor('float32', [2], [0, 1])

  test('lies at multiples of 64 bytes, padded with zeros', () => {
    const { model: bytes, external } = encodeOnnx(gemm(weight, bias), { externalThreshold: 8, externalLocation: 'w.bin' })
    expect(decodeOnnx(bytes).graph.initializers).toEqual([
      { name: 'weight', dtype: 'float32', shape: [2, 3], external: { location: 'w.bin', offset: 0, length: 24 } },
      { name: 'bias', dtype: 'float32', shape: [2], external: { location: 'w.bin', offset: 64, length: 8 } },
    ])
    const expected = new Float32Array(18)
    expected.set([1, 2, 3, 4, 5, 6])
    expected.set([0, 1], 16)
    expect(external).toEqual(new Uint8Array(expected.buffer))
  })

  test('the threshold decides which initializers go there, and whether there is a file', () => {
    const external = (externalThreshold: number) => encodeOnnx(gemm(weight, bias), { externalThreshold }).external?.length
    expect([8, 9, 24, 25].map(external)).toEqual([72, 24, 24, undefined])
  })

  test('has a default location', () => {
    const { model: bytes } = encodeOnnx(gemm(weight, bias), { externalThreshold: 0 })
    expect(decodeOnnx(bytes).graph.initializers[0]).toMatchObject({ external: { location: 'model.onnx.data' } })
  })

  test('may be a reference to a file that exists already', () => {
    const external = { location: 'model.safetensors', offset: 136, length: 24 }
    const reference: OnnxInitializer = { name: 'weight', dtype: 'float32', shape: [2, 3], external }
    const original = model({ initializers: [reference] })
    const { model: bytes } = encodeOnnx(original)
    expect(decodeOnnx(bytes)).toEqual(original)
    const file = new Uint8Array(160)
    file.set(new Uint8Array(weight.data.buffer), 136)
    expect(decodeOnnx(bytes, { externalData: { 'model.safetensors': file } }).graph.initializers).toEqual([
      { name: 'weight', ...weight },
    ])
  })

  test.each([
    '',
    '.',
    '..',
    '...',
    '../w.bin',
    '/etc/passwd',
    'a/b',
    'a\\b',
    'C:w',
    'http://host/w',
    'w\0',
    'w\n',
    'w'.repeat(256),
  ])('never leaves the folder of the model: %j', (location) => {
    const reference = { name: 'w', dtype: 'uint8', shape: [1], external: { location, offset: 0, length: 1 } } as const
    expect(() => encodeOnnx(model({ initializers: [reference] }))).toThrow(FormatError)
    expect(() => encodeOnnx(gemm(weight, bias), { externalThreshold: 0, externalLocation: location })).toThrow(OptionError)
    const entries = [message(13, text(1, 'location'), text(2, location)), varint(14, 1)]
    expect(() => decodeOnnx(withTensor(varint(1, 1), varint(2, 2), ...entries))).toThrow(/in the folder of the model/)
  })

  test.each<[string, readonly [string, string][], RegExp]>([
    ['beyond the file', [['offset', '64']], /ends at byte 65 of "w.bin"; expected at most 64/],
    ['a length that does not fit the shape', [['length', '2']], /wrong external offset or length; expected 1 bytes/],
    ['a negative offset', [['offset', '-1']], /wrong external offset/],
    ['an offset in hexadecimal', [['offset', '0x10']], /wrong external offset/],
    ['an offset beyond exact numbers', [['offset', '9007199254740993']], /wrong external offset/],
    ['an offset that overflows', [['offset', '9007199254740991']], /wrong external offset/],
    ['an unknown key', [['__proto__', '1']], /unknown external data "__proto__"/],
    ['a key twice', [['location', 'w.bin']], /entry "location" comes twice/], // biome-ignore format: one line
  ])('refuses %s', (_what, entries, expected) => {
    const all = [['location', 'w.bin'], ...entries] as const
    const fields = all.map(([key, entry]) => message(13, text(1, key), text(2, entry)))
    const bytes = withTensor(varint(1, 1), varint(2, 2), ...fields, varint(14, 1))
    expect(() => decodeOnnx(bytes, { externalData: { 'w.bin': new Uint8Array(64) } })).toThrow(FormatError)
    expect(() => decodeOnnx(bytes, { externalData: { 'w.bin': new Uint8Array(64) } })).toThrow(expected)
  })

  test('a small file cannot be read over and over', () => {
    const external = { location: 'w.bin', offset: 1, length: 8 }
    const initializers = Array.from(
      { length: 10 },
      (_, index) => ({ name: `w${index}`, dtype: 'float64', shape: [1], external }) as const,
    )
    const { model: bytes } = encodeOnnx(model({ initializers }))
    expect(decodeOnnx(bytes, { externalData: { 'w.bin': new Uint8Array(20) } }).graph.initializers).toHaveLength(10)
    expect(() => decodeOnnx(bytes, { externalData: { 'w.bin': new Uint8Array(19) } })).toThrow(/shares its external data/)
  })

  test('a tensor attribute stays inside the model', () => {
    const external = [message(13, text(1, 'location'), text(2, 'w.bin')), varint(14, 1)]
    const attribute = message(5, text(1, 'value'), message(5, varint(1, 1), varint(2, 2), ...external), varint(20, 4))
    expect(() => decodeOnnx(withGraph(message(1, attribute)))).toThrow(/is an attribute outside the model/)
  })
})
