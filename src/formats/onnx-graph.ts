import { FormatError } from '../base/errors.ts'
import { attributeTypeCodes, type OnnxAttribute, type OnnxGraph, type OnnxInitializer, type OnnxNode } from './onnx-schema.ts'
import { attributeTensorOf, initializerOf, type TensorDraft, tensorMessage } from './onnx-tensor.ts'
import { type ValueDraft, valueFrom, valueMessage } from './onnx-value.ts'
import { ignored, type Message, message, messages, type ReadContext, repeated, single } from './onnx-wire.ts'
import { quoted } from './text.ts'

type AttributeKind = OnnxAttribute['kind']

/** One value per kind; the message's type says which one counts. */
interface AttributeDraft {
  name: string
  type: number | bigint
  float: number | undefined
  int: number | bigint | undefined
  string: string | undefined
  tensor: TensorDraft | undefined
  graph: GraphDraft | undefined
  readonly floats: number[]
  readonly ints: (number | bigint)[]
  readonly strings: string[]
}

const attributeMessage: Message<AttributeDraft> = {
  name: 'AttributeProto',
  create: () => ({
    name: '',
    type: 0,
    float: undefined,
    int: undefined,
    string: undefined,
    tensor: undefined,
    graph: undefined,
    floats: [],
    ints: [],
    strings: [],
  }),
  fields: {
    1: single('text', 'name'),
    2: single('float', 'float'),
    3: single('integer', 'int'),
    4: single('text', 'string'),
    5: message(() => tensorMessage, 'tensor'),
    6: message(() => graphMessage, 'graph', { deeper: true }),
    7: repeated('float', 'floats'),
    8: repeated('integer', 'ints'),
    9: repeated('text', 'strings'),
    13: ignored,
    20: single('integer', 'type'),
  },
}

const kinds = Object.keys(attributeTypeCodes) as AttributeKind[]

function attributeOf(draft: AttributeDraft, context: ReadContext): OnnxAttribute {
  const { name, type } = draft
  const kind = kinds.find((one) => attributeTypeCodes[one] === type)
  if (kind === undefined) throw new FormatError(`ONNX attribute ${quoted(name)} has type ${type}, which nextx does not read`)
  const other = kinds.find((one) => one !== kind && isPresent(draft[one]))
  if (other !== undefined) throw new FormatError(`ONNX attribute ${quoted(name)} is of type ${kind} and holds ${other}`)
  switch (kind) {
    // A scalar that is absent is zero, as some encoders leave zeros out.
    case 'float':
      return { kind, value: draft.float ?? 0 }
    case 'int':
      return { kind, value: draft.int ?? 0 }
    case 'string':
      return { kind, value: draft.string ?? '' }
    case 'tensor':
      return { kind, value: attributeTensorOf(required(draft.tensor, name), context) }
    case 'graph':
      return { kind, value: graphOf(required(draft.graph, name), context) }
    case 'floats':
      return { kind, value: draft.floats }
    case 'ints':
      return { kind, value: draft.ints }
    case 'strings':
      return { kind, value: draft.strings }
  }
}

function isPresent(value: AttributeDraft[AttributeKind]): boolean {
  return Array.isArray(value) ? value.length > 0 : value !== undefined
}

function required<T>(value: T | undefined, name: string): T {
  if (value === undefined) throw new FormatError(`ONNX attribute ${quoted(name)} has no value`)
  return value
}

interface NodeDraft {
  name: string
  opType: string
  domain: string
  readonly inputs: string[]
  readonly outputs: string[]
  readonly attributes: AttributeDraft[]
}

const nodeMessage: Message<NodeDraft> = {
  name: 'NodeProto',
  create: () => ({ name: '', opType: '', domain: '', inputs: [], outputs: [], attributes: [] }),
  fields: {
    1: repeated('text', 'inputs'),
    2: repeated('text', 'outputs'),
    3: single('text', 'name'),
    4: single('text', 'opType'),
    5: messages(() => attributeMessage, 'attributes'),
    6: ignored,
    7: single('text', 'domain'),
    9: ignored,
  },
}

function nodeOf(draft: NodeDraft, context: ReadContext): OnnxNode {
  // Without a prototype, as an attribute may have any name.
  const attributes: Record<string, OnnxAttribute> = Object.create(null)
  for (const attribute of draft.attributes) {
    const { name } = attribute
    if (name in attributes) throw new FormatError(`ONNX node ${quoted(draft.name)} has attribute ${quoted(name)} twice`)
    attributes[name] = attributeOf(attribute, context)
  }
  return { ...draft, attributes }
}

export interface GraphDraft {
  name: string
  readonly nodes: NodeDraft[]
  readonly initializers: TensorDraft[]
  readonly inputs: ValueDraft[]
  readonly outputs: ValueDraft[]
  readonly valueInfo: ValueDraft[]
}

export const graphMessage: Message<GraphDraft> = {
  name: 'GraphProto',
  create: () => ({ name: '', nodes: [], inputs: [], outputs: [], valueInfo: [], initializers: [] }),
  fields: {
    1: messages(() => nodeMessage, 'nodes'),
    2: single('text', 'name'),
    5: messages(() => tensorMessage, 'initializers'),
    10: ignored,
    11: messages(() => valueMessage, 'inputs'),
    12: messages(() => valueMessage, 'outputs'),
    13: messages(() => valueMessage, 'valueInfo'),
    14: ignored,
    16: ignored,
  },
}

/** The graph that a message describes. */
export function graphOf({ name, nodes, inputs, outputs, valueInfo, initializers }: GraphDraft, context: ReadContext): OnnxGraph {
  return {
    name,
    nodes: nodes.map((node) => nodeOf(node, context)),
    inputs: inputs.map(valueFrom),
    outputs: outputs.map(valueFrom),
    initializers: initializersOf(initializers, context),
    ...(valueInfo.length > 0 && { valueInfo: valueInfo.map(valueFrom) }),
  }
}

function initializersOf(drafts: readonly TensorDraft[], context: ReadContext): OnnxInitializer[] {
  const seen = new Set<string>()
  return drafts.map((draft) => {
    if (seen.has(draft.name)) throw new FormatError(`ONNX initializer ${quoted(draft.name)} comes twice`)
    seen.add(draft.name)
    return initializerOf(draft, context)
  })
}
