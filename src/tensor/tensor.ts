import type { DType } from '../base/dtype.ts'
import { GraphError, NextxError } from '../base/errors.ts'
import { type Dimension, formatShape, type Shape } from './dimension.ts'
import { captureSite, type Site, siteLine } from './site.ts'

/** What is known of a tensor before it has values. */
export interface TensorType {
  readonly dtype: DType
  readonly shape: Shape
}

/** A concrete value of the reference interpreter: every dtype is carried as doubles. */
export interface ReferenceValue {
  readonly shape: readonly number[]
  readonly data: Float64Array
}

export interface ReferenceContext {
  readonly dtype: DType
  /** The result's shape. */
  readonly shape: readonly number[]
  /** The dtype of the operands (all alike, but for conditions and indices). */
  readonly inputTypes: readonly TensorType[]
  size(dimension: Dimension): number
}

/** Constant attribute of an ONNX node. */
export type OnnxAttributeValue =
  | number
  | string
  | readonly number[]
  | { readonly float: number }
  | { readonly strings: readonly string[] }

/** What an op's emission rule may call; values are ONNX value names. */
export interface Emitter {
  /** Adds a node of `outputs` outputs (default 1) and names the first. An absent optional input is ''. */
  node(
    opType: string,
    inputs: readonly string[],
    attributes?: Readonly<Record<string, OnnxAttributeValue>>,
    domain?: '' | 'com.microsoft',
    outputs?: number,
  ): string
  /** Another output of the node whose first output this value is. */
  sibling(value: string, output: number): string
  /** A scalar of `dtype`. */
  scalar(value: number, dtype: DType): string
  /** A 1-D int64 constant. */
  integers(values: readonly number[]): string
  /** A 1-D int64 value holding these sizes, computed when they are symbolic. */
  sizes(dimensions: readonly Dimension[]): string
  /** Like `sizes`, with one unknown size as -1 where Reshape can infer it. */
  reshapeSizes(shape: Shape): string
  cast(value: string, dtype: DType): string
}

export type Attributes = Readonly<Record<string, unknown>>

/** One row of the op table. Its gradient is the row of the same name in gradient-rules.ts. */
export interface Op<A extends Attributes = Attributes> {
  readonly name: string
  /** Result type. Throws ShapeError or DTypeError. */
  infer(inputs: readonly TensorType[], attributes: A): TensorType
  /** ONNX nodes that compute the result from the values `inputs`. Throws DTypeError where the runtime has no kernel. */
  emit(emitter: Emitter, inputs: readonly string[], node: Tensor, attributes: A): string
  /** Slow and obvious: the oracle of the emission. */
  reference(inputs: readonly ReferenceValue[], attributes: A, context: ReferenceContext): Float64Array
  /** The result at an index depends on the operands at that index only. */
  readonly elementwise?: true
  /** The result only re-arranges its first operand, so the runtime may alias or re-read that operand. */
  readonly movement?: true
}

/** A node of a traced program: an op applied to tensors. Immutable; owned by nobody, so programs may share nodes. */
export class Tensor implements TensorType {
  readonly op: Op
  readonly inputs: readonly Tensor[]
  readonly attributes: Attributes
  readonly dtype: DType
  readonly shape: Shape
  readonly site: Site

  constructor(op: Op, inputs: readonly Tensor[], attributes: Attributes, type: TensorType, site: Site) {
    this.op = op
    this.inputs = inputs
    this.attributes = attributes
    this.dtype = type.dtype
    this.shape = type.shape
    this.site = site
  }

  get rank(): number {
    return this.shape.length
  }

  toString(): string {
    return `${this.op.name}: ${describeType(this)}`
  }
}

/** Anything an op takes: a tensor, a variable (its current value), or a number (a scalar of the other operand's dtype). */
export type Operand = Tensor | { readonly tensor: Tensor } | number
export type TensorOperand = Exclude<Operand, number>

export function toTensor(operand: TensorOperand): Tensor {
  if (operand instanceof Tensor) return operand
  const tensor = (operand as { tensor?: unknown } | null | undefined)?.tensor
  if (tensor instanceof Tensor) return tensor
  throw new GraphError(`${String(operand)} is not a tensor`, { expected: 'a Tensor or a Variable', fix: lineHint() })
}

/** Applies an op; a shape or dtype mistake names the op, its operands and the caller's line. */
export function apply<A extends Attributes>(op: Op<A>, inputs: readonly TensorOperand[], attributes: A): Tensor {
  const tensors = inputs.map(toTensor)
  const site = captureSite()
  try {
    return new Tensor(op as unknown as Op, tensors, attributes, op.infer(tensors, attributes), site)
  } catch (error) {
    throw locate(error, op.name, tensors, site)
  }
}

export function describeType({ dtype, shape }: TensorType): string {
  return `${dtype}${formatShape(shape)}`
}

/** Runs what a function does with its operands before it applies ops; its mistakes too name the function, the operands and the line. */
export function located<T>(name: string, operands: readonly TensorOperand[], task: (...tensors: Tensor[]) => T): T {
  const tensors = operands.map(toTensor)
  try {
    return task(...tensors)
  } catch (error) {
    throw locate(error, name, tensors, captureSite())
  }
}

const isLocated = Symbol('located')

/** The same error, naming an op, its operands and the caller's line, unless it names them already. */
export function locate(error: unknown, name: string, inputs: readonly Tensor[], site: Site): unknown {
  if (!(error instanceof NextxError) || Object.hasOwn(error, isLocated)) return error
  Object.defineProperty(error, isLocated, { value: true })
  const place = siteLine(site)
  error.message = `${name}(${inputs.map(describeType).join(', ')})${place === undefined ? '' : ` at ${place}`}: ${error.message}`
  return error
}

function lineHint(): string {
  return `called at ${siteLine(captureSite()) ?? 'an unknown line'}`
}
