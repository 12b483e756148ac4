import { abs, add, exp, log, maximum, negate, type Tensor } from '../tensor/index.ts'

/** log(1 + eˣ), without overflow. */
export function softplus(x: Tensor): Tensor {
  return add(maximum(x, 0), log(add(exp(negate(abs(x))), 1)))
}

/** log σ(x). */
export function logSigmoid(x: Tensor): Tensor {
  return negate(softplus(negate(x)))
}

/** softplus of this is 1. */
export const softplusOfOne = Math.log(Math.E - 1)
