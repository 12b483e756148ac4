import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { DataError, DTypeError, FormatError, OptionError, ShapeError } from '../../../src/base/errors.ts'
import {
  decodeOnnx,
  encodeOnnx,
  type OnnxAttribute,
  type OnnxGraph,
  type OnnxModel,
  type OnnxValue,
} from '../../../src/formats/index.ts'
import { annotatedOnnx, plainOnnx } from './fixtures.ts'
import { model, node, value } from './onnx-models.ts'
import { allDtypes, anyTensor, tensor } from './tensors.ts'

const thenBranch: OnnxGraph = {
  name: 'then',
  nodes: [node('Identity', ['s'], ['y1'])],
  inputs: [],
  outputs: [value('y1', 'float32', 'batch', 2)],
  initializers: [],
}
const elseBranch: OnnxGraph = {
  ...thenBranch,
  name: 'else',
  nodes: [{ ...node('Neg', ['s'], ['y2']), name: 'negate' }],
  outputs: [{ name: 'y2', dtype: 'float32' }],
}
const branches = { else_branch: { kind: 'graph', value: elseBranch }, then_branch: { kind: 'graph', value: thenBranch } } as const

const plain: OnnxModel = {
  irVersion: 10,
  opsetImports: [
    { domain: '', version: 21 },
    { domain: 'com.example', version: 1 },
  ],
  producerName: 'fixture',
  producerVersion: '',
  metadata: new Map([['author', 'nobody']]),
  graph: {
    name: 'main',
    nodes: [
      {
        ...node('Gemm', ['x', 'w', 'b'], ['s'], { alpha: { kind: 'float', value: 0.5 }, transB: { kind: 'int', value: 1 } }),
        name: 'gemm',
      },
      node('If', ['c'], ['z'], branches),
      {
        ...node('Custom', ['z', '', 'i'], ['out'], {
          axes: { kind: 'ints', value: [0, -1, 2 ** 40] },
          mode: { kind: 'string', value: 'résumé' },
          names: { kind: 'strings', value: ['a', ''] },
          scales: { kind: 'floats', value: [1, -2.5] },
          value: { kind: 'tensor', value: tensor('int32', [2], [7, -8]) },
        }),
        domain: 'com.example',
      },
    ],
    inputs: [value('x', 'float32', 'batch', 3), value('c', 'bool')],
    outputs: [value('out', 'float16', '', 2)],
    valueInfo: [value('s', 'float32', 'batch', 2)],
    initializers: [
      { name: 'w', ...tensor('float32', [2, 3], [1, 2, 3, 4, 5, 6]) },
      { name: 'b', ...tensor('float32', [2], [1.5, -2]) },
      { name: 'i', ...tensor('int64', [3], [1, -2, 3]) },
    ],
  },
}

describe('against the onnx package', () => {
  test('writes the same bytes', () => {
    expect(encodeOnnx(plain)).toEqual({ model: plainOnnx })
  })

  test('reads the same model', () => {
    expect(decodeOnnx(plainOnnx)).toEqual(plain)
  })

  test('reads typed lists instead of raw bytes, and skips annotations', () => {
    const { graph, metadata } = decodeOnnx(annotatedOnnx)
    expect(metadata).toEqual(new Map([['author', 'nobody']]))
    expect(graph.nodes.map(({ opType }) => opType)).toEqual(['Add', 'If', 'Custom'])
    expect(graph.nodes[2]!.attributes).toEqual({
      alpha: { kind: 'float', value: 0.5 },
      count: { kind: 'int', value: -3 },
      axes: { kind: 'ints', value: [0, -1, 2 ** 40] },
      mode: { kind: 'string', value: 'résumé' },
      names: { kind: 'strings', value: ['a', 'b'] },
      scales: { kind: 'floats', value: [1, -2.5] },
      value: { kind: 'tensor', value: tensor('int32', [2], [7, -8]) },
    })
    expect(graph.initializers).toEqual([
      { name: 'w', ...tensor('float32', [2], [1.5, -2]) },
      { name: 'i', ...tensor('int64', [3], [1, -2, 3]) },
      { name: 'd', ...tensor('float64', [1], [0.1]) },
      { name: 'b', ...tensor('bool', [2], [1, 0]) },
      { name: 'h', ...tensor('float16', [2], [0x3e00, 0xbc00]) },
      { name: 'u', ...tensor('uint8', [3], [0, 127, 255]) },
      { name: 'raw', ...tensor('float32', [2, 2], [1, 2, 3, 4]) },
    ])
  })
})

describe('round trips', () => {
  const name = fc.string({ unit: 'grapheme', maxLength: 4 })
  const integer = fc.oneof(
    fc.maxSafeInteger(),
    fc.bigInt({ min: -(2n ** 63n), max: -(2n ** 53n) }),
    fc.bigInt({ min: 2n ** 53n, max: 2n ** 63n - 1n }),
  )
  const float = fc.float({ noNaN: true })
  const anyValue: fc.Arbitrary<OnnxValue> = fc
    .record({
      name,
      dtype: fc.constantFrom(...allDtypes),
      shape: fc.option(fc.array(fc.oneof(fc.maxSafeInteger().map(Math.abs), name), { maxLength: 3 }), { nil: undefined }),
    })
    .map(({ shape, ...rest }) => (shape === undefined ? rest : { ...rest, shape }))
  const { graph } = fc.letrec<{ graph: OnnxGraph; attribute: OnnxAttribute }>((tie) => ({
    attribute: fc.oneof(
      { maxDepth: 2 },
      fc.record({ kind: fc.constant('float' as const), value: float }),
      fc.record({ kind: fc.constant('int' as const), value: integer }),
      fc.record({ kind: fc.constant('string' as const), value: name }),
      fc.record({ kind: fc.constant('tensor' as const), value: anyTensor }),
      fc.record({ kind: fc.constant('floats' as const), value: fc.array(float, { maxLength: 3 }) }),
      fc.record({ kind: fc.constant('ints' as const), value: fc.array(integer, { maxLength: 3 }) }),
      fc.record({ kind: fc.constant('strings' as const), value: fc.array(name, { maxLength: 3 }) }),
      fc.record({ kind: fc.constant('graph' as const), value: tie('graph') }),
    ),
    graph: fc.record({
      name,
      nodes: fc.array(
        fc.record({
          name,
          opType: name,
          domain: name,
          inputs: fc.array(name, { maxLength: 3 }),
          outputs: fc.array(name, { maxLength: 2 }),
          attributes: fc.dictionary(fc.oneof(name, fc.constant('__proto__')), tie('attribute'), { maxKeys: 3 }),
        }),
        { maxLength: 3 },
      ),
      inputs: fc.array(anyValue, { maxLength: 2 }),
      outputs: fc.array(anyValue, { maxLength: 2 }),
      initializers: fc.uniqueArray(
        fc.tuple(name, anyTensor).map(([key, content]) => ({ name: key, ...content })),
        { selector: (initializer) => initializer.name, maxLength: 3 },
      ),
    }),
  }))

  test('decode(encode(model)) = model, and encode(decode(bytes)) = bytes', () => {
    fc.assert(
      fc.property(graph, name, (content, producerName) => {
        const original = { ...model(content), producerName }
        const bytes = encodeOnnx(original).model
        const decoded = decodeOnnx(bytes)
        expect(decoded).toEqual(original)
        expect(encodeOnnx(decoded).model).toEqual(bytes)
      }),
      { numRuns: 150 },
    )
  })

  test('with external data at any threshold', () => {
    fc.assert(
      fc.property(graph, fc.nat({ max: 40 }), (content, externalThreshold) => {
        const original = model(content)
        const encoded = encodeOnnx(original, { externalThreshold, externalLocation: 'weights.bin' })
        const externalData = { 'weights.bin': encoded.external ?? new Uint8Array(0) }
        expect(decodeOnnx(encoded.model, { externalData })).toEqual(original)
        for (const initializer of decodeOnnx(encoded.model).graph.initializers) {
          const bytes = original.graph.initializers.find((one) => one.name === initializer.name)!
          const isLarge = 'data' in bytes && bytes.data.byteLength >= Math.max(externalThreshold, 1)
          expect('external' in initializer).toBe(isLarge)
        }
      }),
      { numRuns: 50 },
    )
  })

  test('integers beyond exact numbers come back as bigints, others as numbers', () => {
    const attributes = { a: { kind: 'ints', value: [2n ** 53n, 5n, -(2n ** 63n)] } } as const
    const decoded = decodeOnnx(encodeOnnx(model({ nodes: [node('N', [], [], attributes)] })).model)
    expect(decoded.graph.nodes[0]!.attributes.a).toEqual({ kind: 'ints', value: [2n ** 53n, 5, -(2n ** 63n)] })
  })
})

describe('models that cannot be written', () => {
  const fine = tensor('float32', [2], [1, 2])
  const attribute = (content: OnnxAttribute) => model({ nodes: [node('N', [], [], { a: content })] })
  test.each<[string, OnnxModel, new (...parameters: never[]) => Error, RegExp]>([
    ['data shorter than the shape', model({ initializers: [{ name: 'w', ...fine, shape: [3] }] }), ShapeError, /"w"/],
    ['data of another dtype', model({ initializers: [{ name: 'w', ...fine, dtype: 'int64' }] }), DTypeError, /"w"/],
    ['a fraction as integer', attribute({ kind: 'int', value: 0.5 }), FormatError, /ONNX "a" is 0.5/],
    ['an inexact integer', attribute({ kind: 'ints', value: [2 ** 53] }), FormatError, /ONNX "a" is 9007199254740992/],
    ['an integer beyond 64 bits', attribute({ kind: 'int', value: 2n ** 63n }), FormatError, /9223372036854775808/],
    ['a float beyond 32 bits', attribute({ kind: 'float', value: 1e39 }), FormatError, /"a" is 1e\+39, beyond 32-bit floats/],
    ['half a surrogate pair', attribute({ kind: 'string', value: '\udc00' }), FormatError, /no Unicode text/],
    ['a negative dimension', model({ inputs: [value('x', 'float32', -1)] }), FormatError, /"x" has a dimension -1/],
    [
      'a reference of the wrong size',
      model({ initializers: [{ name: 'w', dtype: 'uint8', shape: [2], external: { location: 'f', offset: 0, length: 3 } }] }),
      FormatError,
      /"w" lies at 0, 3 bytes long; expected 2 bytes/,
    ],
  ])('%s', (_what, content, type, expected) => {
    expect(() => encodeOnnx(content)).toThrow(type)
    expect(() => encodeOnnx(content)).toThrow(expected)
  })

  test('infinities and NaN are floats', () => {
    const values = [Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY, Number.NaN]
    const { model: bytes } = encodeOnnx(attribute({ kind: 'floats', value: values }))
    expect(decodeOnnx(bytes).graph.nodes[0]!.attributes.a).toEqual({ kind: 'floats', value: values })
  })

  test('more than 2 GiB, unless the weights go into a file of their own', () => {
    // One lazily zeroed array under eight names: nothing is copied before the sum is checked.
    const data = new Uint8Array(2 ** 28)
    const initializers = Array.from(
      { length: 8 },
      (_, index) => ({ name: `w${index}`, dtype: 'uint8', shape: [2 ** 28], data }) as const,
    )
    expect(() => encodeOnnx(model({ initializers }))).toThrow(DataError)
    expect(() => encodeOnnx(model({ initializers }))).toThrow(/give externalThreshold/)
  })

  test('refuses options that are unknown, senseless or without effect', () => {
    const unknown = { threshold: 3 }
    expect(() => encodeOnnx(model({}), unknown as object)).toThrow(/unknown ONNX option "threshold"/)
    expect(() => encodeOnnx(model({}), { externalThreshold: -1 })).toThrow(OptionError)
    expect(() => encodeOnnx(model({}), { externalLocation: 'w.bin' })).toThrow(/externalLocation without externalThreshold/)
  })
})
