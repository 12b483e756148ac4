import { isFloat } from '../base/dtype.ts'
import { DTypeError, GraphError, ShapeError } from '../base/errors.ts'
import { formatShape, sameShape } from './dimension.ts'
import { type GradientRule, gradientRules } from './gradient-rules.ts'
import { topologicalOrder } from './graph.ts'
import { add, scalar } from './ops/elementwise.ts'
import type { OpName } from './ops/index.ts'
import { expand } from './ops/layout.ts'
import { describeType, type Tensor, type TensorOperand, toTensor } from './tensor.ts'

/**
 * Gradients of a scalar with respect to tensors or variables, as new graph nodes: reverse mode, one pass. Tensors that the scalar
 * does not depend on get zeros. Throws ShapeError when `of` is not a scalar.
 */
export function gradients(of: TensorOperand, wrt: Iterable<TensorOperand>): Tensor[] {
  const loss = toTensor(of)
  if (loss.rank !== 0) {
    throw new ShapeError(`gradients of ${describeType(loss)}`, { expected: 'a scalar', fix: 'reduce it with sum() or mean()' })
  }
  return pullback(loss, scalar(1, loss.dtype), wrt)
}

/** The vector-Jacobian product: gradients of Σ cotangent · of. */
export function pullback(of: TensorOperand, cotangent: Tensor, wrt: Iterable<TensorOperand>): Tensor[] {
  const result = toTensor(of)
  const targets = Array.from(wrt, toTensor)
  if (!sameShape(result.shape, cotangent.shape)) {
    throw new ShapeError(`cotangent ${formatShape(cotangent.shape)} for a result ${formatShape(result.shape)}`, {
      expected: 'equal shapes',
    })
  }
  for (const target of targets)
    if (!isFloat(target.dtype)) throw new DTypeError(`no gradient for ${describeType(target)}`, { expected: 'floats' })
  const order = topologicalOrder([result])
  const active = dependents(order, new Set(targets))
  const gradient = new Map<Tensor, Tensor>([[result, cotangent]])
  for (const node of order.toReversed()) if (active.has(node)) propagate(node, gradient, active)
  return targets.map((target) => gradient.get(target) ?? expand(scalar(0, target.dtype), target.shape))
}

/** The nodes of `order` that depend on a target. */
function dependents(order: readonly Tensor[], targets: ReadonlySet<Tensor>): Set<Tensor> {
  const active = new Set<Tensor>()
  for (const node of order) if (targets.has(node) || node.inputs.some((input) => active.has(input))) active.add(node)
  return active
}

function propagate(node: Tensor, gradient: Map<Tensor, Tensor>, active: ReadonlySet<Tensor>): void {
  const own = gradient.get(node)
  if (own === undefined || !node.inputs.some((input) => active.has(input))) return
  const rule = gradientRules[node.op.name as OpName] as GradientRule<typeof node.attributes> | undefined
  if (rule === undefined)
    throw new GraphError(`op ${node.op.name} has no gradient rule`, { fix: 'add its row to gradient-rules.ts' })
  rule(own, node, node.attributes).forEach((contribution, i) => {
    const input = node.inputs[i]!
    if (contribution === undefined || !active.has(input)) return
    const sum = gradient.get(input)
    gradient.set(input, sum === undefined ? contribution : add(sum, contribution))
  })
}
