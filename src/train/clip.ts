import { checkOptions, positive } from '../base/options.ts'
import { add, cast, divide, maximum, multiply, sqrt, square, sum, type Tensor } from '../tensor/index.ts'

/** √Σ g² over all values of all gradients, as a float32 scalar. Called while tracing. */
export function globalNorm(gradients: readonly Tensor[]): Tensor {
  return sqrt(gradients.map((gradient) => cast(sum(square(gradient)), 'float32')).reduce((total, part) => add(total, part)))
}

/**
 * Scales gradients down together so that their global norm is at most `limit`; shorter ones stay as they are, to the bit. Pascanu et
 * al. 2013. Called while tracing.
 * @throws OptionError when the limit is not a number > 0
 */
export function clipByGlobalNorm(
  gradients: readonly Tensor[],
  limit: number,
): { readonly gradients: Tensor[]; readonly norm: Tensor } {
  checkOptions(positive, limit, 'limit of the gradient norm')
  const norm = globalNorm(gradients)
  const scale = divide(limit, maximum(norm, limit))
  return { gradients: gradients.map((gradient) => multiply(gradient, cast(scale, gradient.dtype))), norm }
}
