import { type DType, elementCount, type HostTensor } from '../base/dtype.ts'
import { GraphError, ShapeError } from '../base/errors.ts'
import { type Bindings, evaluateDimension, evaluateShape } from './dimension.ts'
import { topologicalOrder } from './graph.ts'
import { fromNumbers, toNumbers } from './host-values.ts'
import { bindShape, refuseContradictions } from './input-spec.ts'
import { checkSizes, sizeChecks } from './size-checks.ts'
import type { ReferenceValue, Tensor } from './tensor.ts'

/** Values of leaves for the interpreter: inputs by name, variables by identity. */
export interface LeafValues {
  readonly inputs: Readonly<Record<string, ReferenceValue>>
  readonly variables?: ReadonlyMap<object, ReferenceValue>
  /** Values of named sizes that no leaf of the outputs has. */
  readonly sizes?: Readonly<Record<string, number>>
}

/**
 * Computes tensors in plain TypeScript with doubles, one node after another: the oracle of everything that is emitted. Slow. Integers
 * do not wrap around. Throws GraphError when a leaf has no value, ShapeError when one does not fit its leaf.
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
  const bindings = new Map(Object.entries(leaves.sizes ?? {}))
  for (const node of order) {
    const value = leafValue(node, leaves)
    if (value === undefined) continue
    bindShape(String(node), node.shape, value.shape, bindings)
    if (value.data.length !== elementCount(value.shape)) {
      throw new ShapeError(`${node} is given ${value.data.length} values`, { expected: `${elementCount(value.shape)}` })
    }
  }
  refuseContradictions(
    order.filter(({ op }) => op.name === 'input' || op.name === 'variable').map(({ shape }) => shape),
    bindings,
  )
  checkSizes(sizeChecks(order), bindings)
  return bindings
}

/** A host tensor as the interpreter sees it. */
export function toReference(tensor: HostTensor): ReferenceValue {
  return { shape: tensor.shape, data: toNumbers(tensor) }
}

/** The interpreter's value in a host tensor of a dtype. Throws DTypeError when the dtype does not hold it. */
export function fromReference({ shape, data }: ReferenceValue, dtype: DType): HostTensor {
  return { dtype, shape, data: fromNumbers(data, dtype) }
}
