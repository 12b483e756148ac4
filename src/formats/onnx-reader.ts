import { FormatError } from '../base/errors.ts'
import { resolveLimits } from './limits.ts'
import { type GraphDraft, graphMessage, graphOf } from './onnx-graph.ts'
import { longestModel, type OnnxModel, type OnnxOpset } from './onnx-schema.ts'
import { type EntryDraft, entriesOf, entryMessage } from './onnx-tensor.ts'
import { ignored, type Message, message, messages, type ReadContext, readMessage, single } from './onnx-wire.ts'
import { isCount } from './tensor-bytes.ts'
import { quoted } from './text.ts'

export interface OnnxLimits {
  /** Longest model, in bytes. Default 2 GiB - 1, protobuf's own limit. */
  readonly maxBytes?: number
  /** Most nodes, attributes, values, dimensions, names and listed numbers together. Default 2,000,000. */
  readonly maxItems?: number
  /** Deepest nesting of graphs in attributes. Default 8. */
  readonly maxDepth?: number
}

export interface DecodeOnnxOptions extends OnnxLimits {
  /** External files by the location that the model names. Initializers in other files stay references. */
  readonly externalData?: Readonly<Record<string, Uint8Array>>
}

/** How often a byte of an external file may be read on average: tied weights share theirs. */
const externalReads = 4

const defaultLimits = { maxBytes: longestModel, maxItems: 2_000_000, maxDepth: 8 }

/**
 * Reads an ONNX model of unknown origin. Data are views on `bytes` where these are aligned. Annotations (documentation, training
 * metadata) are skipped; what would change the meaning and nextx does not know (functions, sparse tensors) is refused.
 *
 * @throws FormatError when the bytes are no such model, are over a limit, or name a file outside the model's folder.
 * @example
 * const { graph } = decodeOnnx(await readFile('model.onnx'))
 * console.log(graph.nodes.length, graph.inputs)
 */
export function decodeOnnx(bytes: Uint8Array, { externalData = {}, ...given }: DecodeOnnxOptions = {}): OnnxModel {
  const { maxBytes, maxItems, maxDepth } = resolveLimits(defaultLimits, given, 'ONNX')
  if (bytes.byteLength > maxBytes) {
    throw new FormatError(`an ONNX model of ${bytes.byteLength} bytes`, { expected: `at most ${maxBytes}` })
  }
  const externalBytes = Object.values(externalData).reduce((total, file) => total + file.byteLength, 0)
  const context: ReadContext = { remaining: maxItems, maxDepth, externalData, remainingExternal: externalReads * externalBytes }
  return modelOf(readMessage(modelMessage, bytes, context, 0), context)
}

interface ModelDraft {
  irVersion: number | bigint
  producerName: string
  producerVersion: string
  graph: GraphDraft | undefined
  readonly opsetImports: OpsetDraft[]
  readonly metadata: EntryDraft[]
}

function modelOf({ irVersion, graph, opsetImports, metadata, ...producer }: ModelDraft, context: ReadContext): OnnxModel {
  if (graph === undefined) throw new FormatError('ONNX model has no graph')
  if (!isCount(irVersion) || irVersion === 0) throw new FormatError(`ONNX model has IR version ${irVersion}`)
  return {
    irVersion,
    opsetImports: opsetImports.map(opsetOf),
    ...producer,
    graph: graphOf(graph, context),
    ...(metadata.length > 0 && { metadata: entriesOf(metadata) }),
  }
}

interface OpsetDraft {
  domain: string
  version: number | bigint
}

const opsetMessage: Message<OpsetDraft> = {
  name: 'OperatorSetIdProto',
  create: () => ({ domain: '', version: 0 }),
  fields: { 1: single('text', 'domain'), 2: single('integer', 'version') },
}

function opsetOf({ domain, version }: OpsetDraft): OnnxOpset {
  if (!isCount(version)) throw new FormatError(`ONNX opset ${quoted(domain)} has version ${version}`)
  return { domain, version }
}

const modelMessage: Message<ModelDraft> = {
  name: 'ModelProto',
  create: () => ({ irVersion: 0, producerName: '', producerVersion: '', graph: undefined, opsetImports: [], metadata: [] }),
  fields: {
    1: single('integer', 'irVersion'),
    2: single('text', 'producerName'),
    3: single('text', 'producerVersion'),
    4: ignored,
    5: ignored,
    6: ignored,
    7: message(() => graphMessage, 'graph', { deeper: true }),
    8: messages(() => opsetMessage, 'opsetImports'),
    14: messages(() => entryMessage, 'metadata'),
  },
}
