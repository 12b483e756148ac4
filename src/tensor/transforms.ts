import { isFloat } from '../base/dtype.ts'
import { pullback } from './gradient.ts'
import { barrier, customGradient } from './ops/control.ts'
import { add, scalar } from './ops/elementwise.ts'
import { expand } from './ops/layout.ts'
import { type Tensor, type TensorOperand, toTensor } from './tensor.ts'

/**
 * `f(...operands)`, whose intermediate values are not kept for the backward pass but computed again in it: less memory for more
 * time. Chen et al. 2016. Variables that `f` reads must be among the operands to get gradients.
 */
export function rematerialize(f: (operands: readonly Tensor[]) => Tensor, operands: readonly TensorOperand[]): Tensor {
  return customGradient(operands, f, (gradient, _result, tensors) => {
    const again = tensors.map((tensor) => barrier(tensor, gradient))
    const floats = again.filter((tensor) => isFloat(tensor.dtype))
    const grads = pullback(f(again), gradient, floats)
    return again.map((tensor) => (isFloat(tensor.dtype) ? grads[floats.indexOf(tensor)] : undefined))
  })
}

/**
 * Forward mode: the directional derivative of `of` along `tangents` of `wrt`. A vector-Jacobian product is linear in its
 * cotangent, so its own transpose is the Jacobian-vector product; no op needs a second rule.
 */
export function jvp(of: TensorOperand, wrt: readonly TensorOperand[], tangents: readonly Tensor[]): Tensor {
  const result = toTensor(of)
  // The derivative with respect to the cotangent does not depend on its value.
  const cotangent = expand(scalar(0, result.dtype), result.shape)
  const pulled = pullback(result, cotangent, wrt)
  const directional = pulled.map((gradient, i) => pullback(gradient, tangents[i]!, [cotangent])[0]!)
  return directional.reduce((total, part) => add(total, part))
}
