import { isFloat } from '../base/dtype.ts'
import { DTypeError, GraphError, ShapeError } from '../base/errors.ts'
import { sameShape } from './dimension.ts'
import { type GradientRule, gradientRules, noGradient } from './gradient-rules.ts'
import { topologicalOrder } from './graph.ts'
import { add, scalar } from './ops/elementwise.ts'
import type { OpName } from './ops/index.ts'
import { expand } from './ops/layout.ts'
import { siteLine } from './site.ts'
import { describeType, type Tensor, type TensorOperand, toTensor } from './tensor.ts'

/**
 * Gradients of a scalar with respect to tensors or variables, as new graph nodes: reverse mode, one pass. Tensors that the scalar
 * does not depend on get zeros. Throws ShapeError when `of` is not a scalar, DTypeError on anything but floats, GraphError when a
 * customGradient would drop the gradient of a tensor that it reads.
 */
export function gradients(of: TensorOperand, wrt: Iterable<TensorOperand>): Tensor[] {
  const loss = toTensor(of)
  if (loss.rank !== 0) {
    throw new ShapeError(`gradients of ${describeType(loss)}`, { expected: 'a scalar', fix: 'reduce it with sum() or mean()' })
  }
  requireFloat(loss)
  return pullback(loss, scalar(1, loss.dtype), wrt)
}

/** The vector-Jacobian product: gradients of Σ cotangent · of. */
export function pullback(of: TensorOperand, cotangent: Tensor, wrt: Iterable<TensorOperand>): Tensor[] {
  const result = toTensor(of)
  const targets = Array.from(wrt, toTensor)
  for (const tensor of [result, ...targets]) requireFloat(tensor)
  if (!sameShape(result.shape, cotangent.shape) || result.dtype !== cotangent.dtype) {
    throw new ShapeError(`cotangent ${describeType(cotangent)} for a result ${describeType(result)}`, { expected: 'equal types' })
  }
  const order = topologicalOrder([result])
  const pass = new BackwardPass(order, new Set(targets))
  const gradient = new Map<Tensor, Tensor>([[result, cotangent]])
  for (const node of order.toReversed()) pass.propagate(node, gradient)
  return targets.map((target) => gradient.get(target) ?? expand(scalar(0, target.dtype), target.shape))
}

function requireFloat(tensor: Tensor): void {
  if (!isFloat(tensor.dtype)) throw new DTypeError(`no gradient for ${describeType(tensor)}`, { expected: 'floats' })
}

class BackwardPass {
  readonly #targets: ReadonlySet<Tensor>
  /** The nodes that depend on a target. Integers and booleans carry no gradient on. */
  readonly #active = new Set<Tensor>()

  constructor(order: readonly Tensor[], targets: ReadonlySet<Tensor>) {
    this.#targets = targets
    for (const node of order) {
      const depends = targets.has(node) || node.inputs.some((input) => this.#active.has(input))
      if (depends && isFloat(node.dtype)) this.#active.add(node)
    }
  }

  /** Hands the gradient of a node on to its operands. */
  propagate(node: Tensor, gradient: Map<Tensor, Tensor>): void {
    const own = gradient.get(node)
    if (own === undefined || !node.inputs.some((input) => this.#active.has(input))) return
    if (node.op.name === 'customGradient') this.#refuseDropped(node)
    const contributions = ruleOf(node)(own, node, node.attributes)
    if (contributions.length !== node.inputs.length)
      fail(node, `${contributions.length} gradients for ${node.inputs.length} operands`)
    for (const [i, contribution] of contributions.entries()) {
      const input = node.inputs[i]!
      if (contribution === undefined || !this.#active.has(input)) continue
      if (contribution.dtype !== input.dtype || !sameShape(contribution.shape, input.shape))
        fail(node, `gradient ${describeType(contribution)} for operand ${i}, ${describeType(input)}`)
      const sum = gradient.get(input)
      gradient.set(input, sum === undefined ? contribution : add(sum, contribution))
    }
  }

  /** What the forward function reads besides its operands gets no gradient from the backward function: never silently. */
  #refuseDropped(node: Tensor): void {
    const [result, ...operands] = node.inputs
    const seen = new Set<Tensor>(operands)
    const pending = seen.has(result!) ? [] : [result!]
    while (pending.length > 0) {
      const inner = pending.pop()!
      if (seen.has(inner) || !this.#active.has(inner)) continue
      seen.add(inner)
      if (this.#targets.has(inner)) fail(node, `the forward function reads ${inner}, whose gradient would be lost`)
      if (ruleOf(inner) === noGradient) continue
      pending.push(...(inner.op.name === 'customGradient' ? inner.inputs.slice(1) : inner.inputs))
    }
  }
}

function ruleOf(node: Tensor): GradientRule<typeof node.attributes> {
  const rule = gradientRules[node.op.name as OpName] as GradientRule<typeof node.attributes> | undefined
  if (rule === undefined)
    throw new GraphError(`op ${node.op.name} has no gradient rule`, { fix: 'add its row to gradient-rules.ts' })
  return rule
}

function fail(node: Tensor, problem: string): never {
  const fix =
    node.op.name === 'customGradient' ? { fix: 'give every operand and its gradient, or stopGradient() what has none' } : {}
  throw new GraphError(`${node.op.name} at ${siteLine(node.site) ?? 'an unknown line'}: ${problem}`, {
    expected: `one gradient per operand: ${node.inputs.map(describeType).join(', ')}`,
    ...fix,
  })
}
