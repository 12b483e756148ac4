import type { DType, HostTensor, TypedArray } from '../base/dtype.ts'

/** An ONNX model as plain data; the parts of onnx.proto that nextx writes and reads. */
export interface OnnxModel {
  readonly irVersion: number
  readonly opsetImports: readonly OnnxOpset[]
  readonly producerName: string
  readonly producerVersion: string
  readonly graph: OnnxGraph
  readonly metadata?: ReadonlyMap<string, string>
}

/** `domain` is '' for ONNX itself. */
export interface OnnxOpset {
  readonly domain: string
  readonly version: number
}

export interface OnnxGraph {
  readonly name: string
  /** Sorted: every input is a graph input, an initializer or an output of an earlier node. */
  readonly nodes: readonly OnnxNode[]
  readonly inputs: readonly OnnxValue[]
  readonly outputs: readonly OnnxValue[]
  readonly initializers: readonly OnnxInitializer[]
  /** Types of values in between, for tools that show them. */
  readonly valueInfo?: readonly OnnxValue[]
}

export interface OnnxNode {
  readonly name: string
  readonly opType: string
  readonly domain: string
  /** Names of values; '' leaves an optional input out. */
  readonly inputs: readonly string[]
  readonly outputs: readonly string[]
  readonly attributes: Readonly<Record<string, OnnxAttribute>>
}

/** Integers may be given as numbers or bigints; they are read as numbers where these are exact. Floats have 32 bits. */
export type OnnxAttribute =
  | { readonly kind: 'float'; readonly value: number }
  | { readonly kind: 'int'; readonly value: number | bigint }
  | { readonly kind: 'string'; readonly value: string }
  | { readonly kind: 'tensor'; readonly value: HostTensor }
  | { readonly kind: 'graph'; readonly value: OnnxGraph }
  | { readonly kind: 'floats'; readonly value: readonly number[] }
  | { readonly kind: 'ints'; readonly value: readonly (number | bigint)[] }
  | { readonly kind: 'strings'; readonly value: readonly string[] }

/** A named tensor type. A dimension is a size, a symbol, or '' when nothing is known of it; no shape: not even the rank is known. */
export interface OnnxValue {
  readonly name: string
  readonly dtype: DType
  readonly shape?: readonly (number | string)[]
}

/** A constant tensor: inside the model, or in a file beside it. */
export type OnnxInitializer = OnnxInlineInitializer | OnnxExternalInitializer

export interface OnnxInlineInitializer {
  readonly name: string
  readonly dtype: DType
  readonly shape: readonly number[]
  readonly data: TypedArray
}

export interface OnnxExternalInitializer {
  readonly name: string
  readonly dtype: DType
  readonly shape: readonly number[]
  readonly external: OnnxExternalData
}

/** Bytes of a file that lies in the same folder as the model. */
export interface OnnxExternalData {
  readonly location: string
  readonly offset: number
  readonly length: number
}

/** The longest message that protobuf allows, in bytes. */
export const longestModel = 2 ** 31 - 1

/** TensorProto.DataType. */
export const onnxTypeCodes: Readonly<Record<DType, number>> = {
  float32: 1,
  uint8: 2,
  int32: 6,
  int64: 7,
  bool: 9,
  float16: 10,
  float64: 11,
  bfloat16: 16,
}

/** AttributeProto.AttributeType. */
export const attributeTypeCodes: Readonly<Record<OnnxAttribute['kind'], number>> = {
  float: 1,
  int: 2,
  string: 3,
  tensor: 4,
  graph: 5,
  floats: 6,
  ints: 7,
  strings: 8,
}

/** TensorProto.DataLocation.EXTERNAL. */
export const externalLocationCode = 1

/** Whether `location` is the name of a file in the model's own folder: no path, no drive, no URL, no control characters. */
export function isPlainFileName(location: string): boolean {
  return /^[^/\\:\p{Cc}\p{Surrogate}]+$/u.test(location) && !/^\.+$/.test(location) && location.length <= 255
}
