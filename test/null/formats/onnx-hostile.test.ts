import { describe, expect, test } from 'vitest'
import { FormatError, OptionError } from '../../../src/base/errors.ts'
import { decodeOnnx, encodeOnnx, type OnnxGraph } from '../../../src/formats/index.ts'
import { plainOnnx } from './fixtures.ts'
import { withAttribute, withGraph, withTensor, withType } from './onnx-messages.ts'
import { model, node } from './onnx-models.ts'
import { bytesField, field, message, packed, text, varint } from './protobuf.ts'

describe('hostile files', () => {
  test.each<[string, Uint8Array, RegExp]>([
    ['no bytes', new Uint8Array(0), /no graph/],
    ['no IR version', message(7), /IR version 0/],
    ['a negative IR version', Uint8Array.from([...varint(1, -1), ...message(7)]), /IR version -1/],
    ['a graph twice', Uint8Array.from([...withGraph(), ...message(7)]), /ModelProto has field 7 twice/],
    ['a truncated message', plainOnnx.subarray(0, 300), /ModelProto is damaged/],
    ['a length of 4 GiB', Uint8Array.of(0x3a, 0xff, 0xff, 0xff, 0xff, 0x0f), /ModelProto is damaged/],
    ['an endless varint', Uint8Array.from([0x08, ...new Uint8Array(20).fill(0xff)]), /ModelProto is damaged/],
    ['field number 0', Uint8Array.of(0x00, 0x01), /ModelProto is damaged/],
    ['a group', Uint8Array.of(0x3b, 0x3c), /field 7 in wire type 3/],
    ['a group where annotations are skipped', Uint8Array.of(0x33, 0x34), /field 6 in wire type 3/],
    ['a wrong wire type', Uint8Array.from([...varint(7, 1)]), /field 7 in wire type 0/],
    ['text that is not UTF-8', bytesField(2, Uint8Array.of(0xff)), /ModelProto is damaged/],
    ['a function', Uint8Array.from([...withGraph(), ...message(25)]), /ModelProto has field 25, which nextx does not read/],
    ['a sparse initializer', withGraph(message(15)), /GraphProto has field 15/],
    ['metadata twice', Uint8Array.from([...withGraph(), ...message(14), ...message(14)]), /entry "" comes twice/],
    ['an opset of version -1', Uint8Array.from([...withGraph(), ...message(8, varint(2, -1))]), /opset "" has version -1/],
    [
      'an initializer twice',
      withGraph(message(5, varint(1, 0), varint(2, 1)), message(5, varint(1, 0), varint(2, 1))),
      /comes twice/,
    ],
    ['a tensor without type', withTensor(varint(1, 1), bytesField(9, new Uint8Array(4))), /tensor "w" has type UNDEFINED/],
    ['a tensor of strings', withTensor(varint(1, 1), varint(2, 8)), /tensor "w" has type STRING/],
    ['a tensor of a future type', withTensor(varint(1, 1), varint(2, 1234)), /tensor "w" has type 1234/],
    ['a negative dimension', withTensor(varint(1, -1), varint(2, 1)), /"w" has a dimension -1/],
    ['a dimension of 2^63 - 1', withTensor(varint(1, 2n ** 63n - 1n), varint(2, 1)), /"w" has a dimension 9223372036854775807/],
    ['a shape that overflows', withTensor(varint(1, 2 ** 30), varint(1, 2 ** 30), varint(2, 1)), /shape that overflows/],
    ['a huge tensor without data', withTensor(varint(1, 2 ** 40), varint(2, 1)), /"w" has 0 bytes of data; expected 4398046511104/],
    [
      'too few bytes',
      withTensor(varint(1, 2), varint(2, 1), bytesField(9, new Uint8Array(7))),
      /"w" has 7 bytes of data; expected 8/,
    ],
    ['a bool of 2', withTensor(varint(1, 1), varint(2, 9), bytesField(9, Uint8Array.of(2))), /"w" is bool/],
    ['data twice', withTensor(varint(1, 1), varint(2, 6), bytesField(9, new Uint8Array(4)), varint(5, 1)), /data more than once/],
    [
      'data in the wrong list',
      withTensor(varint(1, 1), varint(2, 1), varint(5, 1)),
      /float32 with int32_data; expected float_data/,
    ],
    ['a list that is too short', withTensor(varint(1, 2), varint(2, 7), varint(7, 1)), /"w" has 1 elements/],
    ['a listed value out of range', withTensor(varint(1, 1), varint(2, 2), varint(5, 256)), /"w" is uint8 and holds 256/],
    ['segments', withTensor(message(3)), /TensorProto has field 3/],
    ['data in two places', withTensor(varint(1, 0), varint(2, 1), message(13)), /not clear about where its data lies/],
    ['a data location that is none', withTensor(varint(1, 0), varint(2, 1), varint(14, 2)), /not clear about where its data lies/],
    ['an attribute without type', withAttribute(varint(3, 1)), /attribute "a" has type 0/],
    ['an attribute of sparse type', withAttribute(varint(20, 11)), /attribute "a" has type 11/],
    ['an attribute of another kind', withAttribute(varint(3, 1), varint(20, 1)), /"a" is of type float and holds int/],
    ['an attribute that refers to a function', withAttribute(text(21, 'b'), varint(20, 1)), /AttributeProto has field 21/],
    ['a graph attribute without graph', withAttribute(varint(20, 5)), /attribute "a" has no value/],
    ['an attribute twice', withGraph(message(1, message(5, varint(20, 2)), message(5, varint(20, 2)))), /attribute "" twice/],
    ['an input without type', withGraph(message(11, text(1, 'x'))), /value "x" has no tensor type/],
    ['an input that is a sequence', withType(message(4)), /TypeProto has field 4/],
    [
      'a dimension that is both',
      withType(message(1, varint(1, 1), message(2, message(1, varint(1, 1), text(2, 'n'))))),
      /wrong dimension 1/,
    ],
    ['a negative size', withType(message(1, varint(1, 1), message(2, message(1, varint(1, -1))))), /"x" has a wrong dimension -1/],
  ])('%s', (_what, bytes, expected) => {
    expect(() => decodeOnnx(bytes)).toThrow(FormatError)
    expect(() => decodeOnnx(bytes)).toThrow(expected)
  })

  test('every truncation is refused', () => {
    for (let length = 0; length < plainOnnx.length; length++) {
      // The metadata and opsets at the end are fields of their own, so a cut between them leaves a valid model.
      const cut = () => decodeOnnx(plainOnnx.subarray(0, length))
      if (isWhole(plainOnnx.subarray(0, length))) expect(cut().graph).toEqual(decodeOnnx(plainOnnx).graph)
      else expect(cut).toThrow(FormatError)
    }
  })

  test('absent scalars of attributes are zero, as proto3 encoders leave them out', () => {
    const read = (code: number) => decodeOnnx(withAttribute(varint(20, code))).graph.nodes[0]!.attributes.a
    expect([1, 2, 3, 6, 7, 8].map(read).map((attribute) => attribute?.value)).toEqual([0, 0, '', [], [], []])
  })

  test('packed and single numbers may be mixed', () => {
    const bytes = withAttribute(varint(8, 1), packed(8, 2, 300), packed(8), varint(8, -1), varint(20, 7))
    expect(decodeOnnx(bytes).graph.nodes[0]!.attributes.a).toEqual({ kind: 'ints', value: [1, 2, 300, -1] })
  })

  test('nesting is bounded', () => {
    const nest = (depth: number) => {
      let graph: OnnxGraph = model({}).graph
      for (let level = 1; level < depth; level++) {
        graph = model({ nodes: [node('If', [], [], { then_branch: { kind: 'graph', value: graph } })] }).graph
      }
      return encodeOnnx(model(graph)).model
    }
    expect(() => decodeOnnx(nest(8))).not.toThrow()
    expect(() => decodeOnnx(nest(9))).toThrow(/nests graphs deeper than 8/)
    expect(() => decodeOnnx(nest(3), { maxDepth: 2 })).toThrow(FormatError)
  })

  test('the number of items is bounded, so that few bytes cannot fill the memory', () => {
    const nodes = withGraph(...Array.from({ length: 100 }, () => message(1)))
    expect(decodeOnnx(nodes, { maxItems: 101 }).graph.nodes).toHaveLength(100)
    expect(() => decodeOnnx(nodes, { maxItems: 100 })).toThrow(/exceeds the limit maxItems/)
    const numbers = withAttribute(packed(8, ...new Array<number>(100).fill(0)), varint(20, 7))
    expect(() => decodeOnnx(numbers, { maxItems: 100 })).toThrow(/exceeds the limit maxItems/)
  })

  test('the size is bounded', () => {
    expect(() => decodeOnnx(plainOnnx, { maxBytes: plainOnnx.length - 1 })).toThrow(FormatError)
    expect(() => decodeOnnx(plainOnnx, { maxBytes: plainOnnx.length })).not.toThrow()
    const unknown = { maxSize: 3 }
    expect(() => decodeOnnx(plainOnnx, unknown as object)).toThrow(OptionError)
  })
})

/** Whether the bytes end where a field of the outermost message ends, after the graph. */
function isWhole(bytes: Uint8Array): boolean {
  let at = 0
  let hasGraph = false
  while (at < bytes.length) {
    const tag = bytes[at++]!
    if (tag % 8 === 0) at += 1
    else {
      const length = bytes[at]! < 128 ? bytes[at++]! : (bytes[at++]! % 128) + 128 * bytes[at++]!
      at += length
    }
    hasGraph ||= tag >> 3 === 7
  }
  return at === bytes.length && hasGraph
}

test('unknown wire content never reaches the result', () => {
  expect(() => decodeOnnx(Uint8Array.from([...withGraph(), ...field(27, 5), 0, 0, 0, 0]))).toThrow(/field 27/)
})
