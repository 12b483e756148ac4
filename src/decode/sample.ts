import { checkNumber } from './checks.ts'
import { checkLogits, softmaxWeights } from './logits.ts'

/**
 * The token at which the cumulative softmax of the logits, by rising id, passes `uniform` in [0, 1): with uniform noise, a sample.
 * Throws OptionError when `uniform` is out of range, NonFiniteError when a logit is NaN or +∞ or none is finite.
 * @example
 * const token = sampleToken(logits, createRng(seed).fold('sample').uniformAt(index))
 */
export function sampleToken(logits: Float32Array, uniform: number): number {
  checkNumber('uniform', uniform, (value) => value >= 0 && value < 1, 'a number in [0, 1)')
  const { weights, total } = softmaxWeights(logits)
  const target = uniform * total
  let cumulative = 0
  let chosen = 0
  // The same sum again, so `target` is passed at the latest by the last token of weight above 0.
  for (let id = 0; id < weights.length && cumulative <= target; id++) {
    cumulative += weights[id]!
    if (weights[id]! > 0) chosen = id
  }
  return chosen
}

/** The likeliest token, of equals the one with the lowest id. Throws NonFiniteError as `sampleToken` does. */
export function greedyToken(logits: Float32Array): number {
  return logits.indexOf(checkLogits(logits))
}
