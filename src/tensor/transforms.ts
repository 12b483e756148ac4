import { isFloat } from '../base/dtype.ts'
import { GraphError } from '../base/errors.ts'
import { pullback } from './gradient.ts'
import { barrier, customGradient } from './ops/control.ts'
import { add, scalar } from './ops/elementwise.ts'
import { expand } from './ops/layout.ts'
import { type Tensor, type TensorOperand, toTensor } from './tensor.ts'

/**
 * `f(...operands)`, whose intermediate values are not kept for the backward pass but computed again in it: less memory for more
 * time. Chen et al. 2016. Variables that `f` reads get their gradients too; other tensors that `f` reads must be among the operands.
 */
export function rematerialize(f: (operands: readonly Tensor[]) => Tensor, operands: readonly TensorOperand[]): Tensor {
  const given = operands.map(toTensor)
  const result = f(given)
  const captured = variablesIn(result, new Set(given))
  return customGradient(
    [...given, ...captured],
    () => result,
    (gradient) => {
      const again = given.map((tensor) => (isFloat(tensor.dtype) ? barrier(tensor, gradient) : tensor))
      const targets = [...again, ...captured]
      const floats = targets.filter((tensor) => isFloat(tensor.dtype))
      const grads = pullback(f(again), gradient, floats)
      return targets.map((tensor) => (isFloat(tensor.dtype) ? grads[floats.indexOf(tensor)] : undefined))
    },
  )
}

/** The float variables that `result` depends on other than through `operands`. */
function variablesIn(result: Tensor, operands: ReadonlySet<Tensor>): Tensor[] {
  const seen = new Set<Tensor>(operands)
  const pending = [result]
  const found: Tensor[] = []
  while (pending.length > 0) {
    const node = pending.pop()!
    if (seen.has(node)) continue
    seen.add(node)
    if (node.op.name === 'variable' && isFloat(node.dtype)) found.push(node)
    pending.push(...node.inputs)
  }
  return found
}

/**
 * Forward mode: the directional derivative of `of` along `tangents` of `wrt`. A vector-Jacobian product is linear in its
 * cotangent, so its own transpose is the Jacobian-vector product; no op needs a second rule.
 */
export function jvp(of: TensorOperand, wrt: readonly TensorOperand[], tangents: readonly Tensor[]): Tensor {
  if (wrt.length === 0 || wrt.length !== tangents.length) {
    throw new GraphError(`${tangents.length} tangents for ${wrt.length} tensors`, { expected: 'one each, at least one' })
  }
  const result = toTensor(of)
  // The derivative with respect to the cotangent does not depend on its value.
  const cotangent = expand(scalar(0, result.dtype), result.shape)
  const pulled = pullback(result, cotangent, wrt)
  const directional = pulled.map((gradient, i) => pullback(gradient, tangents[i]!, [cotangent])[0]!)
  return directional.reduce((total, part) => add(total, part))
}
