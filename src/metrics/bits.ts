import { OptionError } from '../base/errors.ts'
import { refuseUnknown } from '../base/options.ts'

/**
 * How far apart two neighbouring 8-bit levels are for networks, which see x = level / 127.5 − 1: the `step` of densities over such
 * numbers.
 */
export const pictureStep = 1 / 127.5

export interface BitsOptions {
  /**
   * Distance of two neighbouring levels in the numbers that the density is over. Default 1: for probabilities of levels, and densities over
   * level + noise.
   */
  readonly step?: number
}

/**
 * Bits per dimension of `nats` = −log p over all `dimensions` numbers of a sample together (or the mean of many). A density p(x) over
 * dequantised levels, x = step·(level + u) + offset with u uniform in a range of length 1, gives each level at least the
 * probability exp E_u log(stepᴰ·p(x)) (Theis et al. 2016, section 3.1): bits = (nats − D·log step) / (D·log 2). For pictures as networks
 * see them, −1 … 1, the step is `pictureStep`, so that 1/127.5 wide noise must have been added, and (nats + D·log 127.5) / (D·log 2) comes
 * out; noise at −½ … ½ or 0 … 1 steps is all the same. Throws OptionError on dimensions or a step not above 0 or unknown options.
 * @example
 * bitsPerDimension(28 * 28 * Math.log(256), 28 * 28) // 8: all levels alike
 */
export function bitsPerDimension(nats: number, dimensions: number, options: BitsOptions = {}): number {
  refuseUnknown(options, ['step'], 'bitsPerDimension')
  const { step = 1 } = options
  if (!(Number.isSafeInteger(dimensions) && dimensions > 0))
    throw new OptionError(`bitsPerDimension: dimensions is ${dimensions}`, { expected: 'an integer above 0' })
  if (!(step > 0 && step < Number.POSITIVE_INFINITY))
    throw new OptionError(`bitsPerDimension: step is ${step}`, { expected: 'a finite number above 0' })
  return (nats / dimensions - Math.log(step)) / Math.LN2
}
