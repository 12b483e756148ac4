import { GraphError, NextxError } from '../base/errors.ts'
import { sameShape, symbolsOf } from './dimension.ts'
import { topologicalOrder } from './graph.ts'
import { ops } from './ops/index.ts'
import { siteLine } from './site.ts'
import { describeType, type Tensor, type TensorType } from './tensor.ts'

/**
 * Checks every node of a graph against its op's rule again, as simplification may have rewritten it: known op, unchanged type, inputs
 * of programs named once, every symbolic size bound by a leaf. Throws GraphError naming the node, its producers and its line.
 */
export function verify(roots: readonly Tensor[]): void {
  const order = topologicalOrder(roots)
  const known = new Set<object>(Object.values(ops))
  const bound = boundSymbols(order)
  const inputs = new Map<string, Tensor>()
  for (const node of order) {
    if (!known.has(node.op)) fail(node, `unknown op ${node.op.name}`)
    checkType(node)
    for (const name of node.shape.flatMap(symbolsOf))
      if (!bound.has(name)) fail(node, `size ${name} is not the axis of any input or variable`)
    if (node.op.name === 'input') checkName(node, inputs)
  }
}

function boundSymbols(order: readonly Tensor[]): Set<string> {
  const leaves = order.filter((node) => node.op.name === 'input' || node.op.name === 'variable')
  return new Set(leaves.flatMap((leaf) => leaf.shape.map(String)))
}

function checkType(node: Tensor): void {
  const type = inferred(node)
  if (type.dtype !== node.dtype || !sameShape(type.shape, node.shape)) fail(node, `its rule gives ${describeType(type)}`)
}

function inferred(node: Tensor): TensorType {
  try {
    return node.op.infer(node.inputs, node.attributes)
  } catch (error) {
    if (error instanceof NextxError) fail(node, error.message)
    throw error
  }
}

function checkName(node: Tensor, inputs: Map<string, Tensor>): void {
  const name = node.attributes.name as string
  const other = inputs.get(name)
  if (other !== undefined && other !== node) fail(node, `two inputs are named ${name}`)
  inputs.set(name, node)
}

function fail(node: Tensor, problem: string): never {
  const producers = node.inputs.map(String).join('; ') || 'nothing'
  throw new GraphError(`${node} (line ${siteLine(node.site) ?? 'unknown'}, fed by ${producers}): ${problem}`)
}
