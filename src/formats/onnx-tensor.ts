import { arrayTypes, bytesPerElement, type DType, type HostTensor, type TypedArray } from '../base/dtype.ts'
import { FormatError } from '../base/errors.ts'
import {
  externalLocationCode,
  isPlainFileName,
  type OnnxExternalData,
  type OnnxInitializer,
  type OnnxInlineInitializer,
  onnxTypeCodes,
} from './onnx-schema.ts'
import { ignored, type Message, messages, type ReadContext, repeated, single } from './onnx-wire.ts'
import { byteLengthOf, elementsOf, firstInvalidBool, isCount } from './tensor-bytes.ts'
import { quoted } from './text.ts'

/** Lists of numbers that may stand for the raw bytes, by the name of their field. */
interface NumberLists {
  readonly float_data: number[]
  readonly int32_data: (number | bigint)[]
  readonly int64_data: (number | bigint)[]
  readonly double_data: number[]
}

export interface TensorDraft extends NumberLists {
  name: string
  type: number | bigint
  raw: Uint8Array | undefined
  location: number | bigint
  readonly dimensions: (number | bigint)[]
  readonly external: EntryDraft[]
}

export interface EntryDraft {
  key: string
  value: string
}

/** StringStringEntryProto. */
export const entryMessage: Message<EntryDraft> = {
  name: 'StringStringEntryProto',
  create: () => ({ key: '', value: '' }),
  fields: { 1: single('text', 'key'), 2: single('text', 'value') },
}

export const tensorMessage: Message<TensorDraft> = {
  name: 'TensorProto',
  create: () => ({
    name: '',
    type: 0,
    raw: undefined,
    location: 0,
    dimensions: [],
    external: [],
    float_data: [],
    int32_data: [],
    int64_data: [],
    double_data: [],
  }),
  fields: {
    1: repeated('integer', 'dimensions'),
    2: single('integer', 'type'),
    4: repeated('float', 'float_data'),
    5: repeated('integer', 'int32_data'),
    7: repeated('integer', 'int64_data'),
    8: single('text', 'name'),
    9: single('bytes', 'raw'),
    10: repeated('double', 'double_data'),
    12: ignored,
    13: messages(() => entryMessage, 'external'),
    14: single('integer', 'location'),
    16: ignored,
  },
}

/** @throws FormatError when a key comes twice. */
export function entriesOf(drafts: readonly EntryDraft[]): Map<string, string> {
  const entries = new Map<string, string>()
  for (const { key, value } of drafts) {
    if (entries.has(key)) throw new FormatError(`ONNX entry ${quoted(key)} comes twice`)
    entries.set(key, value)
  }
  return entries
}

const dtypes: ReadonlyMap<number | bigint, DType> = new Map(
  (Object.keys(onnxTypeCodes) as DType[]).map((dtype) => [onnxTypeCodes[dtype], dtype] as const),
)

/** TensorProto.DataType by code, for messages. */
const typeNames =
  'UNDEFINED FLOAT UINT8 INT8 UINT16 INT16 INT32 INT64 STRING BOOL FLOAT16 DOUBLE UINT32 UINT64 COMPLEX64 COMPLEX128 BFLOAT16'.split(
    ' ',
  )

/** @throws FormatError for a type that nextx does not have. */
export function dtypeOf(code: number | bigint, name: string): DType {
  const dtype = dtypes.get(code)
  if (dtype !== undefined) return dtype
  throw refusal(name, `has type ${typeNames[Number(code)] ?? code}`, Object.keys(onnxTypeCodes).join(', '))
}

/** The initializer that a TensorProto describes; its bytes are checked against its type. */
export function initializerOf(draft: TensorDraft, context: ReadContext): OnnxInitializer {
  const { name } = draft
  const dtype = dtypeOf(draft.type, name)
  const shape = draft.dimensions.map((dimension) => {
    if (isCount(dimension)) return dimension
    throw refusal(name, `has a dimension ${dimension}`)
  })
  const byteLength = byteLengthOf(dtype, shape)
  if (byteLength === undefined) throw refusal(name, 'has a shape that overflows')
  if (draft.location === externalLocationCode) {
    const external = externalOf(draft, byteLength)
    const bytes = externalBytes(external, name, context)
    return bytes === undefined ? { name, dtype, shape, external } : { name, dtype, shape, data: elementsIn(bytes, dtype, name) }
  }
  if (draft.location !== 0 || draft.external.length > 0) throw refusal(name, 'is not clear about where its data lies')
  return { name, dtype, shape, data: inlineData(draft, dtype, byteLength) }
}

/** undefined when the file is not at hand. */
function externalBytes({ location, offset, length }: OnnxExternalData, name: string, context: ReadContext): Uint8Array | undefined {
  if (!Object.hasOwn(context.externalData, location)) return undefined
  const file = context.externalData[location]!
  if (offset + length > file.byteLength) {
    throw refusal(name, `ends at byte ${offset + length} of ${quoted(location)}`, `at most ${file.byteLength}`)
  }
  context.remainingExternal -= length
  if (context.remainingExternal < 0) throw refusal(name, 'shares its external data with too many others')
  return file.subarray(offset, offset + length)
}

/** The value of a tensor attribute, which must lie inside the model. */
export function attributeTensorOf(draft: TensorDraft, context: ReadContext): HostTensor {
  const initializer = initializerOf(draft, context)
  if (!isInline(initializer)) throw refusal(draft.name, 'is an attribute outside the model')
  const { dtype, shape, data } = initializer
  return { dtype, shape, data }
}

function isInline(initializer: OnnxInitializer): initializer is OnnxInlineInitializer {
  return 'data' in initializer
}

function externalOf(draft: TensorDraft, byteLength: number): OnnxExternalData {
  const { name, raw } = draft
  const external = entriesOf(draft.external)
  if (raw !== undefined || filledLists(draft).length > 0) throw refusal(name, 'has data both inside and outside the model')
  const unknown = [...external.keys()].find((key) => !['location', 'offset', 'length', 'checksum'].includes(key))
  if (unknown !== undefined) throw refusal(name, `has unknown external data ${quoted(unknown)}`)
  const location = external.get('location') ?? ''
  if (!isPlainFileName(location)) throw refusal(name, `lies in ${quoted(location)}`, 'a file name in the folder of the model')
  const offset = decimal(external.get('offset') ?? '0')
  const length = decimal(external.get('length') ?? String(byteLength))
  if (offset === undefined || length !== byteLength || !isCount(offset + length)) {
    throw refusal(name, 'has a wrong external offset or length', `${byteLength} bytes`)
  }
  return { location, offset, length }
}

function decimal(text: string): number | undefined {
  const value = /^\d{1,16}$/.test(text) ? Number(text) : undefined
  return isCount(value) ? value : undefined
}

function inlineData(draft: TensorDraft, dtype: DType, byteLength: number): TypedArray {
  const { name, raw } = draft
  const lists = filledLists(draft)
  if (lists.length + (raw === undefined ? 0 : 1) > 1) throw refusal(name, 'has its data more than once')
  if (lists.length === 1) return listedData(draft, dtype, byteLength, lists[0]!)
  const bytes = raw ?? new Uint8Array(0)
  if (bytes.byteLength !== byteLength) throw refusal(name, `has ${bytes.byteLength} bytes of data`, `${byteLength}`)
  return elementsIn(bytes, dtype, name)
}

function elementsIn(bytes: Uint8Array, dtype: DType, name: string): TypedArray {
  if (dtype === 'bool' && firstInvalidBool(bytes) !== -1) throw refusal(name, 'is bool and holds something else', '0 or 1')
  return elementsOf(dtype, bytes)
}

type ListName = keyof NumberLists

const listOf: Readonly<Record<DType, ListName>> = {
  float32: 'float_data',
  float64: 'double_data',
  int64: 'int64_data',
  int32: 'int32_data',
  uint8: 'int32_data',
  bool: 'int32_data',
  float16: 'int32_data',
  bfloat16: 'int32_data',
}

/** Values that an element may have in int32_data. */
const ranges: Partial<Readonly<Record<DType, readonly [number, number]>>> = {
  int32: [-(2 ** 31), 2 ** 31 - 1],
  uint8: [0, 255],
  bool: [0, 1],
  float16: [0, 65535],
  bfloat16: [0, 65535],
}

function filledLists(draft: TensorDraft): ListName[] {
  return (['float_data', 'int32_data', 'int64_data', 'double_data'] as const).filter((name) => draft[name].length > 0)
}

/** The data must be as long as the shape says before an array of that length is made. */
function listedData(draft: TensorDraft, dtype: DType, byteLength: number, list: ListName): TypedArray {
  const { name } = draft
  const values: readonly (number | bigint)[] = draft[list]
  if (listOf[dtype] !== list) throw refusal(name, `is ${dtype} with ${list}`, listOf[dtype])
  if (values.length * bytesPerElement[dtype] !== byteLength) {
    throw refusal(name, `has ${values.length} elements`, `${byteLength} bytes of them`)
  }
  if (dtype === 'int64') return BigInt64Array.from(values, BigInt)
  const range = ranges[dtype]
  if (range !== undefined) {
    const outside = values.find((value) => value < range[0] || value > range[1])
    if (outside !== undefined) throw refusal(name, `is ${dtype} and holds ${outside}`)
  }
  const data = new arrayTypes[dtype](values.length) as Exclude<TypedArray, BigInt64Array>
  data.set(values as readonly number[])
  return data
}

function refusal(name: string, problem: string, expected?: string): FormatError {
  return new FormatError(`ONNX tensor ${quoted(name)} ${problem}`, expected === undefined ? {} : { expected })
}
