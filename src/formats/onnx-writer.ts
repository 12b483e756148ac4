import { BinaryWriter, WireType } from '@bufbuild/protobuf/wire'
import { DataError, FormatError, OptionError } from '../base/errors.ts'
import {
  attributeTypeCodes,
  externalLocationCode,
  isPlainFileName,
  longestModel,
  type OnnxAttribute,
  type OnnxExternalData,
  type OnnxGraph,
  type OnnxInitializer,
  type OnnxModel,
  type OnnxNode,
  type OnnxValue,
  onnxTypeCodes,
} from './onnx-schema.ts'
import { byteLengthOf, bytesOf, concatenate, isCount, totalLength } from './tensor-bytes.ts'
import { isWellFormed, quoted } from './text.ts'

export interface EncodeOnnxOptions {
  /** Initializers of at least this many bytes go into one external file. Default: all stay in the model. */
  readonly externalThreshold?: number
  /** Name of the external file. Default `'model.onnx.data'`. Only with `externalThreshold`. */
  readonly externalLocation?: string
}

export interface EncodedOnnx {
  readonly model: Uint8Array
  /** Contents of the external file; absent when no initializer went there. */
  readonly external?: Uint8Array
}

const externalAlignment = 64

/**
 * The model as an ONNX file. Equal models give equal bytes.
 *
 * @throws OptionError for options that cannot be met, ShapeError or DTypeError for an initializer whose data does not fit its type,
 * FormatError for a name or number that the format cannot hold, DataError for a model above 2 GiB or external data above 4 GiB.
 * @example
 * const x = { name: 'x', dtype: 'float32', shape: ['n'] } as const
 * const node = { name: '', opType: 'Neg', domain: '', inputs: ['x'], outputs: ['y'], attributes: {} }
 * const graph = { name: 'negate', nodes: [node], inputs: [x], outputs: [{ ...x, name: 'y' }], initializers: [] }
 * const opsetImports = [{ domain: '', version: 21 }]
 * const { model } = encodeOnnx({ irVersion: 10, opsetImports, producerName: 'me', producerVersion: '1', graph })
 */
export function encodeOnnx(model: OnnxModel, options: EncodeOnnxOptions = {}): EncodedOnnx {
  const spill = spillOf(options)
  const front = new BinaryWriter()
  integer(front, 1, model.irVersion)
  text(front, 2, model.producerName)
  text(front, 3, model.producerVersion)
  const graph = field(7, graphPieces(model.graph, spill))
  const back = new BinaryWriter()
  for (const { domain, version } of model.opsetImports) {
    back.tag(8, WireType.LengthDelimited).fork()
    listedText(back, 1, domain)
    integer(back, 2, version)
    back.join()
  }
  for (const [key, value] of model.metadata ?? []) entry(back, 14, key, value)
  const bytes = concatenate(checkedPieces([front.finish(), ...graph, back.finish()]))
  return spill === undefined || spill.pieces.length === 0 ? { model: bytes } : { model: bytes, external: concatenate(spill.pieces) }
}

/** The external file as it grows. */
interface Spill {
  readonly threshold: number
  readonly location: string
  readonly pieces: Uint8Array[]
  length: number
}

function spillOf(options: EncodeOnnxOptions): Spill | undefined {
  const { externalThreshold: threshold, externalLocation: location = 'model.onnx.data', ...rest } = options
  const unknown = Object.keys(rest)[0]
  if (unknown !== undefined) {
    throw new OptionError(`unknown ONNX option ${quoted(unknown)}`, { expected: 'externalThreshold or externalLocation' })
  }
  if (threshold === undefined) {
    if (options.externalLocation !== undefined) {
      throw new OptionError('externalLocation without externalThreshold', {
        fix: 'say from how many bytes initializers are external',
      })
    }
    return undefined
  }
  if (!isCount(threshold))
    throw new OptionError(`externalThreshold is ${String(threshold)}`, { expected: 'a non-negative integer' })
  if (!isPlainFileName(location))
    throw new OptionError(`externalLocation is ${quoted(location)}`, { expected: 'a plain file name' })
  return { threshold, location, pieces: [], length: 0 }
}

/** Appends to the external file; empty tensors never go there, as they have no bytes to point at. */
function spillBytes(spill: Spill, bytes: Uint8Array): OnnxExternalData {
  const padding = (externalAlignment - (spill.length % externalAlignment)) % externalAlignment
  const offset = spill.length + padding
  spill.pieces.push(new Uint8Array(padding), bytes)
  spill.length = offset + bytes.byteLength
  return { location: spill.location, offset, length: bytes.byteLength }
}

/** Large data stays in pieces of its own, so that it is copied once, into the finished file. */
function graphPieces(graph: OnnxGraph, spill?: Spill): Uint8Array[] {
  const front = new BinaryWriter()
  for (const node of graph.nodes) writeNode(front, node)
  text(front, 2, graph.name)
  const initializers = graph.initializers.flatMap((initializer) => field(5, initializerPieces(initializer, spill)))
  const back = new BinaryWriter()
  for (const value of graph.inputs) writeValue(back, 11, value)
  for (const value of graph.outputs) writeValue(back, 12, value)
  for (const value of graph.valueInfo ?? []) writeValue(back, 13, value)
  return [front.finish(), ...initializers, back.finish()]
}

function writeNode(writer: BinaryWriter, node: OnnxNode): void {
  writer.tag(1, WireType.LengthDelimited).fork()
  for (const input of node.inputs) listedText(writer, 1, input)
  for (const output of node.outputs) listedText(writer, 2, output)
  text(writer, 3, node.name)
  text(writer, 4, node.opType)
  for (const [name, attribute] of Object.entries(node.attributes)) {
    writer.tag(5, WireType.LengthDelimited).fork()
    text(writer, 1, name)
    writeAttribute(writer, name, attribute)
    integer(writer, 20, attributeTypeCodes[attribute.kind])
    writer.join()
  }
  text(writer, 7, node.domain)
  writer.join()
}

function writeAttribute(writer: BinaryWriter, name: string, attribute: OnnxAttribute): void {
  switch (attribute.kind) {
    case 'float':
      float(writer, 2, attribute.value, name)
      break
    case 'int':
      integer(writer, 3, attribute.value, name)
      break
    case 'string':
      listedText(writer, 4, attribute.value)
      break
    case 'tensor':
      bytesField(writer, 5, initializerPieces({ name: '', ...attribute.value }))
      break
    case 'graph':
      bytesField(writer, 6, graphPieces(attribute.value))
      break
    case 'floats':
      for (const value of attribute.value) float(writer, 7, value, name)
      break
    case 'ints':
      for (const value of attribute.value) integer(writer, 8, value, name)
      break
    case 'strings':
      for (const value of attribute.value) listedText(writer, 9, value)
      break
    default:
      throw new FormatError(`ONNX attribute ${quoted(name)} is of no known kind`, {
        expected: Object.keys(attributeTypeCodes).join(', '),
      })
  }
}

function initializerPieces(initializer: OnnxInitializer, spill?: Spill): Uint8Array[] {
  const { name, dtype, shape } = initializer
  const bytes = 'data' in initializer ? bytesOf(initializer, name) : undefined
  const spilled = bytes !== undefined && spill !== undefined && bytes.byteLength >= Math.max(spill.threshold, 1)
  const head = new BinaryWriter()
  for (const dimension of shape) integer(head, 1, dimension)
  integer(head, 2, onnxTypeCodes[dtype])
  text(head, 8, name)
  if (bytes !== undefined && !spilled) return [head.finish(), ...field(9, [bytes])]
  writeExternal(head, 'external' in initializer ? checkedExternal(initializer) : spillBytes(spill!, bytes!))
  return [head.finish()]
}

function checkedExternal({ name, dtype, shape, external }: Extract<OnnxInitializer, { external: unknown }>): OnnxExternalData {
  if (!isPlainFileName(external.location)) {
    throw new FormatError(`initializer ${quoted(name)} lies in ${quoted(external.location)}`, { expected: 'a plain file name' })
  }
  if (!isCount(external.offset) || external.length !== byteLengthOf(dtype, shape)) {
    throw new FormatError(`initializer ${quoted(name)} lies at ${external.offset}, ${external.length} bytes long`, {
      expected: `${byteLengthOf(dtype, shape)} bytes`,
    })
  }
  return external
}

function writeExternal(writer: BinaryWriter, { location, offset, length }: OnnxExternalData): void {
  entry(writer, 13, 'location', location)
  entry(writer, 13, 'offset', String(offset))
  entry(writer, 13, 'length', String(length))
  integer(writer, 14, externalLocationCode)
}

function writeValue(writer: BinaryWriter, number: number, { name, dtype, shape }: OnnxValue): void {
  writer.tag(number, WireType.LengthDelimited).fork()
  text(writer, 1, name)
  writer.tag(2, WireType.LengthDelimited).fork().tag(1, WireType.LengthDelimited).fork()
  integer(writer, 1, onnxTypeCodes[dtype])
  if (shape !== undefined) {
    writer.tag(2, WireType.LengthDelimited).fork()
    for (const dimension of shape) {
      writer.tag(1, WireType.LengthDelimited).fork()
      if (typeof dimension === 'string') text(writer, 2, dimension)
      else if (isCount(dimension)) integer(writer, 1, dimension)
      else
        throw new FormatError(`ONNX value ${quoted(name)} has a dimension ${String(dimension)}`, { expected: 'a size or a symbol' })
      writer.join()
    }
    writer.join()
  }
  writer.join().join().join()
}

function entry(writer: BinaryWriter, number: number, key: string, value: string): void {
  writer.tag(number, WireType.LengthDelimited).fork()
  text(writer, 1, key)
  text(writer, 2, value)
  writer.join()
}

/** A length-delimited field made of pieces. */
function field(number: number, pieces: readonly Uint8Array[]): Uint8Array[] {
  const length = totalLength(checkedPieces(pieces))
  return [new BinaryWriter().tag(number, WireType.LengthDelimited).uint32(length).finish(), ...pieces]
}

function bytesField(writer: BinaryWriter, number: number, pieces: readonly Uint8Array[]): void {
  writer.tag(number, WireType.LengthDelimited).bytes(concatenate(checkedPieces(pieces)))
}

function checkedPieces(pieces: readonly Uint8Array[]): readonly Uint8Array[] {
  const length = totalLength(pieces)
  if (length <= longestModel) return pieces
  throw new DataError(`an ONNX message of ${length} bytes`, {
    expected: `at most ${longestModel}`,
    fix: 'give externalThreshold to move the weights into a file of their own',
  })
}

/** An optional text: '' is not written. */
function text(writer: BinaryWriter, number: number, value: string): void {
  if (value !== '') listedText(writer, number, value)
}

function listedText(writer: BinaryWriter, number: number, value: string): void {
  if (!isWellFormed(value)) throw new FormatError(`ONNX text ${quoted(value)} is no Unicode text`)
  writer.tag(number, WireType.LengthDelimited).string(value)
}

function integer(writer: BinaryWriter, number: number, value: number | bigint, name = 'field'): void {
  const exact = typeof value === 'bigint' ? BigInt.asIntN(64, value) === value : Number.isSafeInteger(value)
  if (!exact) throw new FormatError(`ONNX ${quoted(name)} is ${String(value)}`, { expected: 'an exact integer of 64 bits' })
  writer.tag(number, WireType.Varint)
  // The same bytes, without a bigint in between.
  if (typeof value === 'number' && value >= 0 && value < 2 ** 32) writer.uint32(value)
  else writer.int64(value)
}

function float(writer: BinaryWriter, number: number, value: number, name: string): void {
  if (Number.isFinite(value) && !Number.isFinite(Math.fround(value))) {
    throw new FormatError(`ONNX attribute ${quoted(name)} is ${value}, beyond 32-bit floats`)
  }
  writer.tag(number, WireType.Bit32).float(value)
}
