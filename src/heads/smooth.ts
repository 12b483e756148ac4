import { inverseSoftplus, softplus } from '../nn/index.ts'
import {
  add,
  divide,
  exp,
  less,
  log,
  maximum,
  minimum,
  multiply,
  negate,
  square,
  subtract,
  type Tensor,
  where,
} from '../tensor/index.ts'

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
export const softplusOfOne = inverseSoftplus(1)

/** The series of Stirling is exact in float32 from here on. */
const stirlingFrom = 6

/** log Γ(x) for x > 0: Stirling's series at x + 6, and the recurrence Γ(x + 1) = x·Γ(x) back. */
export function logGamma(x: Tensor): Tensor {
  const high = add(x, stirlingFrom)
  const inverse = divide(1, high)
  const series = multiply(inverse, add(1 / 12, multiply(square(inverse), add(-1 / 360, multiply(square(inverse), 1 / 1260)))))
  const stirling = add(subtract(multiply(subtract(high, 0.5), log(high)), high), add(series, Math.log(2 * Math.PI) / 2))
  const steps = Array.from({ length: stirlingFrom }, (_, i) => add(x, i))
  return subtract(
    stirling,
    steps.map((each) => log(each)).reduce((total, each) => add(total, each)),
  )
}
