import type { AffineParameters } from '../../../heads/index.ts'
import { add, divide, exp, log, minimum, multiply, subtract, type Tensor } from '../../../tensor/index.ts'

/** How the maps with and without a class become one: `guideAffine` or `extrapolate`. */
export type GuidanceRule = 'affine' | 'linear'

export const guidanceRules = { affine: guideAffine, linear: extrapolate } as const

/**
 * The Gaussian of conditional and unconditional ones, `conditional^(1+w) / unconditional^w` with the unconditional variance never
 * taken as smaller than the conditional one, so that a scale exists for any weight w ≥ 0: r = min(σc/σu, 1)², D = 1 + w − w·r,
 * mean = ((1+w)·μc − w·r·μu)/D, σ = σc/√D. With w = 0, the conditional one. Gu et al. 2025 (STARFlow), section 3.4. What `combine` of `decode` does with
 * numbers is here a part of the program, so that the parameters never leave it.
 */
export function guideAffine(conditional: AffineParameters, unconditional: AffineParameters, weight: Tensor): AffineParameters {
  const ratio = exp(multiply(minimum(subtract(conditional.logScale, unconditional.logScale), 0), 2))
  const towards = add(weight, 1)
  const share = multiply(weight, ratio)
  const precision = subtract(towards, share)
  const difference = subtract(multiply(towards, conditional.mean), multiply(share, unconditional.mean))
  return {
    mean: divide(difference, precision),
    logScale: subtract(conditional.logScale, multiply(log(precision), 0.5)),
  }
}

/** Means and logarithms of scales, each (1+w)·c − w·u: what TARFlow does, which diverges at large w. Zhai et al. 2025. */
export function extrapolate(conditional: AffineParameters, unconditional: AffineParameters, weight: Tensor): AffineParameters {
  const beyond = (c: Tensor, u: Tensor) => add(c, multiply(weight, subtract(c, u)))
  return {
    mean: beyond(conditional.mean, unconditional.mean),
    logScale: beyond(conditional.logScale, unconditional.logScale),
  }
}
