import { abs, add, exp, less, log, maximum, minimum, multiply, negate, type Tensor, where } from '../tensor/index.ts'

/** log(1 + eˣ), without overflow. */
export function softplus(x: Tensor): Tensor {
  return add(maximum(x, 0), log(add(exp(negate(abs(x))), 1)))
}

/** log σ(x). */
export function logSigmoid(x: Tensor): Tensor {
  return negate(softplus(negate(x)))
}

/** Below it, the series of log softplus is exact in float32, and softplus itself loses digits. */
const seriesBelow = -4

/** log softplus(x), exact where softplus would vanish: with y = eˣ, x − y/2 + 5y²/24 − … */
export function logSoftplus(x: Tensor): Tensor {
  const y = exp(minimum(x, seriesBelow))
  const series = add(x, multiply(y, add(multiply(y, 5 / 24), -1 / 2)))
  return where(less(x, seriesBelow), series, log(softplus(maximum(x, seriesBelow))))
}

/** softplus of this is 1. */
export const softplusOfOne = Math.log(Math.E - 1)
