import { GraphError } from '../../../base/errors.ts'
import { Linear, QuantizedMatrix, zeros } from '../../../nn/index.ts'
import { abs, add, exp, log, maximum, minimum, multiply, negate, slice, subtract, sum, type Tensor } from '../../../tensor/index.ts'

/** How a number the network gives becomes a scale σ > 0; both start at σ = 1. */
export type ScaleKind = 'exp' | 'softplus'

/** x = mean + exp(logScale)·z, number by number: both `[batch, slot, dimension]`. */
export interface Affine {
  readonly mean: Tensor
  readonly logScale: Tensor
}

/**
 * Hidden states → an affine map of each number. The linear starts at zero, so that the map starts as the identity. σ = exp(a) is
 * TARFlow's (Zhai et al. 2025); σ = softplus(a + softplus⁻¹(1)), which grows more slowly, STARFlow's (Gu et al. 2025).
 */
export class AffineHead {
  readonly linear: Linear
  readonly #dimension: number
  readonly #scale: ScaleKind

  constructor(width: number, dimension: number, { scale }: { readonly scale: ScaleKind }) {
    this.linear = new Linear(width, 2 * dimension, { weight: zeros, bias: zeros })
    this.#dimension = dimension
    this.#scale = scale
  }

  /** Rows of the weights that give means, and those that give scales: each `[dimension, width]`. */
  get weights(): { readonly mean: Tensor; readonly scale: Tensor } {
    const { weight } = this.linear
    if (weight instanceof QuantizedMatrix) throw new GraphError("the head of a flow's block is quantised", { expected: 'floats' })
    return { mean: slice(weight, 0, 0, this.#dimension), scale: slice(weight, 0, this.#dimension) }
  }

  /** `[batch, slot, width]` → the map of each slot's vector. */
  read(hidden: Tensor): Affine {
    const both = this.linear.forward(hidden)
    const raw = slice(both, -1, this.#dimension)
    return {
      mean: slice(both, -1, 0, this.#dimension),
      logScale: this.#scale === 'exp' ? raw : logSoftplus(add(raw, softplusOfOne)),
    }
  }
}

/** softplus⁻¹(1) = log(e − 1). */
const softplusOfOne = Math.log(Math.E - 1)

/** Below this log softplus(x) is x to within float32. */
const linearBelow = -15

/** log log(1 + eˣ), finite for all finite x. */
function logSoftplus(x: Tensor): Tensor {
  const bounded = maximum(x, linearBelow)
  const softplus = add(maximum(bounded, 0), log(add(exp(negate(abs(bounded))), 1)))
  return add(log(softplus), minimum(subtract(x, linearBelow), 0))
}

/** z = (x − mean) / σ. */
export function whiten(x: Tensor, { mean, logScale }: Affine): Tensor {
  return multiply(subtract(x, mean), exp(negate(logScale)))
}

/** x = mean + σ·z. */
export function colour(z: Tensor, { mean, logScale }: Affine): Tensor {
  return add(mean, multiply(z, exp(logScale)))
}

/** log |det dz/dx| of each sample, `[batch]`. */
export function logDeterminant({ logScale }: Affine): Tensor {
  return negate(sum(logScale, [1, 2]))
}

/**
 * The Gaussian of conditional and unconditional ones, `conditional^(1+w) / unconditional^w` with the unconditional variance never
 * taken as smaller than the conditional one, so that a scale exists for any weight w ≥ 0: r = min(σc/σu, 1)², D = 1 + w − w·r,
 * mean = ((1+w)·μc − w·r·μu)/D, σ = σc/√D. With w = 0, the conditional one. Gu et al. 2025 (STARFlow), section 3.4.
 */
export function guideAffine(conditional: Affine, unconditional: Affine, weight: Tensor): Affine {
  const ratio = exp(multiply(minimum(subtract(conditional.logScale, unconditional.logScale), 0), 2))
  const towards = add(weight, 1)
  const share = multiply(weight, ratio)
  const precision = subtract(towards, share)
  const difference = subtract(multiply(towards, conditional.mean), multiply(share, unconditional.mean))
  return {
    mean: multiply(difference, exp(negate(log(precision)))),
    logScale: subtract(conditional.logScale, multiply(log(precision), 0.5)),
  }
}
