import { FormatError } from '../base/errors.ts'
import type { OnnxValue } from './onnx-schema.ts'
import { dtypeOf } from './onnx-tensor.ts'
import { ignored, type Message, message, messages, single } from './onnx-wire.ts'
import { isCount } from './tensor-bytes.ts'
import { quoted } from './text.ts'

interface DimensionDraft {
  size: number | bigint | undefined
  symbol: string | undefined
}

const dimensionMessage: Message<DimensionDraft> = {
  name: 'TensorShapeProto.Dimension',
  create: () => ({ size: undefined, symbol: undefined }),
  fields: { 1: single('integer', 'size'), 2: single('text', 'symbol'), 3: ignored },
}

interface ShapeDraft {
  readonly dimensions: DimensionDraft[]
}

const shapeMessage: Message<ShapeDraft> = {
  name: 'TensorShapeProto',
  create: () => ({ dimensions: [] }),
  fields: { 1: messages(() => dimensionMessage, 'dimensions') },
}

interface TensorTypeDraft {
  code: number | bigint
  shape: ShapeDraft | undefined
}

const tensorTypeMessage: Message<TensorTypeDraft> = {
  name: 'TypeProto.Tensor',
  create: () => ({ code: 0, shape: undefined }),
  fields: {
    1: single('integer', 'code'),
    2: message(() => shapeMessage, 'shape'),
  },
}

interface TypeDraft {
  tensor: TensorTypeDraft | undefined
}

const typeMessage: Message<TypeDraft> = {
  name: 'TypeProto',
  create: () => ({ tensor: undefined }),
  fields: {
    1: message(() => tensorTypeMessage, 'tensor'),
    6: ignored,
  },
}

export interface ValueDraft {
  name: string
  type: TypeDraft | undefined
}

export const valueMessage: Message<ValueDraft> = {
  name: 'ValueInfoProto',
  create: () => ({ name: '', type: undefined }),
  fields: {
    1: single('text', 'name'),
    2: message(() => typeMessage, 'type'),
    3: ignored,
    4: ignored,
  },
}

/** The value that a message describes. */
export function valueFrom({ name, type }: ValueDraft): OnnxValue {
  const tensor = type?.tensor
  if (tensor === undefined) throw new FormatError(`ONNX value ${quoted(name)} has no tensor type`)
  const dtype = dtypeOf(tensor.code, name)
  if (tensor.shape === undefined) return { name, dtype }
  return { name, dtype, shape: tensor.shape.dimensions.map((dimension) => dimensionFrom(dimension, name)) }
}

function dimensionFrom({ size, symbol }: DimensionDraft, name: string): number | string {
  if (size === undefined) return symbol ?? ''
  if (symbol !== undefined || !isCount(size)) throw new FormatError(`ONNX value ${quoted(name)} has a wrong dimension ${size}`)
  return size
}
