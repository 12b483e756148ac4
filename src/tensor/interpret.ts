import { arrayTypes, type DType, elementCount, type HostTensor, type TypedArray } from '../base/dtype.ts'
import { GraphError } from '../base/errors.ts'
import { type Bindings, evaluateDimension, evaluateShape } from './dimension.ts'
import { topologicalOrder } from './graph.ts'
import type { ReferenceValue, Tensor } from './tensor.ts'

/** Values of leaves for the interpreter: inputs by name, variables by identity. */
export interface LeafValues {
  readonly inputs: Readonly<Record<string, ReferenceValue>>
  readonly variables?: ReadonlyMap<object, ReferenceValue>
}

/**
 * Computes tensors in plain TypeScript with doubles, one node after another: the oracle of everything that is emitted. Slow.
 * Throws GraphError when a leaf has no value.
 */
export function interpret(outputs: readonly Tensor[], leaves: LeafValues): ReferenceValue[] {
  const order = topologicalOrder(outputs)
  const bindings = bindDimensions(order, leaves)
  const values = new Map<Tensor, ReferenceValue>()
  for (const node of order) values.set(node, evaluate(node, values, leaves, bindings))
  return outputs.map((output) => values.get(output)!)
}

function evaluate(
  node: Tensor,
  values: ReadonlyMap<Tensor, ReferenceValue>,
  leaves: LeafValues,
  bindings: Bindings,
): ReferenceValue {
  const given = leafValue(node, leaves)
  if (given !== undefined) return given
  const shape = evaluateShape(node.shape, bindings)
  const inputs = node.inputs.map((input) => values.get(input)!)
  const context = {
    dtype: node.dtype,
    shape,
    inputTypes: node.inputs,
    size: (of: Parameters<typeof evaluateDimension>[0]) => evaluateDimension(of, bindings),
  }
  return { shape, data: node.op.reference(inputs, node.attributes, context) }
}

function leafValue(node: Tensor, leaves: LeafValues): ReferenceValue | undefined {
  if (node.op.name === 'input') return required(leaves.inputs[node.attributes.name as string], node)
  if (node.op.name === 'variable') return required(leaves.variables?.get(node.attributes.variable as object), node)
  return undefined
}

function required(value: ReferenceValue | undefined, node: Tensor): ReferenceValue {
  if (value === undefined)
    throw new GraphError(`${node} ${String(node.attributes.name ?? '')} has no value`, { fix: 'give one in `leaves`' })
  return value
}

function bindDimensions(order: readonly Tensor[], leaves: LeafValues): Bindings {
  const bindings = new Map<string, number>()
  for (const node of order) {
    const value = leafValue(node, leaves)
    node.shape.forEach((dimension, axis) => {
      if (value !== undefined && typeof dimension !== 'number') bindings.set(dimension.toString(), value.shape[axis]!)
    })
  }
  return bindings
}

/** A host tensor as the interpreter sees it. */
export function toReference({ shape, data }: HostTensor): ReferenceValue {
  return { shape, data: Float64Array.from(data as Iterable<number | bigint> as Iterable<number>, Number) }
}

/** The interpreter's value in a host tensor of a dtype (not the 16-bit floats). */
export function fromReference({ shape, data }: ReferenceValue, dtype: Exclude<DType, 'float16' | 'bfloat16'>): HostTensor {
  const array: TypedArray = dtype === 'int64' ? BigInt64Array.from(data, BigInt) : new arrayTypes[dtype](elementCount(shape))
  if (!(array instanceof BigInt64Array)) array.set(data)
  return { dtype, shape, data: array }
}
