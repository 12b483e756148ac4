import { OptionError } from '../base/errors.ts'
import { refuseUnknown } from '../base/options.ts'
import { Linear, zeros } from '../nn/index.ts'
import { checkSizes } from '../nn/sizes.ts'
import { add, exp, multiply, negate, type Operand, split, square, subtract, sum, type Tensor } from '../tensor/index.ts'
import { logSoftplus, softplusOfOne } from './smooth.ts'

/** x = mean + e^logScale · z, element by element; all of one shape `[…, dimension]`. */
export interface AffineParameters {
  readonly mean: Tensor
  readonly logScale: Tensor
}

export interface AffineHeadOptions {
  /** How a number a becomes a scale: e^a (TARFlow), or softplus(a + softplus⁻¹(1)), which grows only linearly (STARFlow). */
  readonly scale: 'exp' | 'softplus'
}

/** Reads a scale and a shift for each number of the next value; at first the identity. */
export class AffineHead {
  readonly output: Linear
  readonly #scale: AffineHeadOptions['scale']

  constructor(width: number, dimension: number, { scale }: AffineHeadOptions) {
    this.output = new Linear(width, 2 * dimension, { weight: zeros, bias: zeros })
    this.#scale = scale
  }

  /** Hidden states `[…, width]` → `[…, dimension]` each. */
  parameters(hidden: Tensor): AffineParameters {
    const [mean, raw] = split(this.output.forward(hidden), -1, 2)
    return { mean: mean!, logScale: this.#scale === 'exp' ? raw! : logSoftplus(add(raw!, softplusOfOne)) }
  }
}

/**
 * The head of an affine flow, with a zero output layer. Zhai et al. 2024 (TARFlow), Gu et al. 2025 (STARFlow). Throws OptionError on sizes
 * below 1, and on unknown options or scales.
 */
export function affineHead(width: number, dimension: number, options: AffineHeadOptions): AffineHead {
  refuseUnknown(options, ['scale'], 'affineHead')
  checkSizes({ width, dimension })
  if (options.scale !== 'exp' && options.scale !== 'softplus')
    throw new OptionError(`scale is ${String(options.scale)}`, { expected: "'exp' or 'softplus'" })
  return new AffineHead(width, dimension, options)
}

/** z = (x − mean) / e^logScale, `[…, dimension]`. */
export function affineForward(values: Operand, { mean, logScale }: AffineParameters): Tensor {
  return multiply(subtract(values, mean), exp(negate(logScale)))
}

/** x = mean + e^logScale · z, `[…, dimension]`. */
export function affineInverse(noise: Operand, { mean, logScale }: AffineParameters): Tensor {
  return add(mean, multiply(exp(logScale), noise))
}

/** log |det ∂z/∂x| = −Σ logScale, `[…]`. */
export function affineLogDeterminant({ logScale }: AffineParameters): Tensor {
  return negate(sum(logScale, -1))
}

/** log p(x) where z is standard normal: −½Σ(z² + log 2π) − Σ logScale. Values `[…, dimension]` → `[…]`. */
export function affineLogProb(values: Operand, parameters: AffineParameters): Tensor {
  const squares = add(square(affineForward(values, parameters)), Math.log(2 * Math.PI))
  return add(multiply(sum(squares, -1), -0.5), affineLogDeterminant(parameters))
}
