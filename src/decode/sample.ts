import { checkNumber } from './checks.ts'
import { checkLogits } from './logits.ts'

/**
 * The token at which the cumulative softmax of the logits, by rising id, passes `uniform` in [0, 1): with uniform noise, a sample.
 * Throws OptionError when `uniform` is out of range, NonFiniteError when a logit is NaN or +∞ or none is finite.
 * @example
 * const token = sampleToken(logits, createRng(seed).fold('sample').uniformAt(index))
 */
export function sampleToken(logits: Float32Array, uniform: number): number {
  checkNumber('uniform', uniform, (value) => value >= 0 && value < 1, 'a number in [0, 1)')
  const largest = checkLogits(logits)
  let total = 0
  for (let id = 0; id < logits.length; id++) total += Math.exp(logits[id]! - largest)
  const target = uniform * total
  let cumulative = 0
  let chosen = 0
  // The same sum again, so `target` is passed at the latest by the last token of weight above 0.
  for (let id = 0; id < logits.length && cumulative <= target; id++) {
    const weight = Math.exp(logits[id]! - largest)
    cumulative += weight
    if (weight > 0) chosen = id
  }
  return chosen
}

/** The likeliest token, of equals the one with the lowest id. Throws NonFiniteError as `sampleToken` does. */
export function greedyToken(logits: Float32Array): number {
  return logits.indexOf(checkLogits(logits))
}
