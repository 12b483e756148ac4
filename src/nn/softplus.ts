import { abs, add, exp, log, maximum, negate, type Tensor } from '../tensor/index.ts'

/** log(1 + eˣ), without overflow. */
export function softplus(x: Tensor): Tensor {
  return add(maximum(x, 0), log(add(exp(negate(abs(x))), 1)))
}

/** What softplus makes a positive number of. */
export function inverseSoftplus(y: number): number {
  return y + Math.log(-Math.expm1(-y))
}
