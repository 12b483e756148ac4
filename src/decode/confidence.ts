import { OptionError } from '../base/errors.ts'
import type { Rng } from '../base/rng.ts'
import { checkInteger } from './checks.ts'
import type { StepSchedule } from './guidance.ts'

export interface MaskChoice {
  /** log p of what was drawn for each candidate, in nats. */
  readonly logProbs: ArrayLike<number>
  /** The values that were drawn in this step: numbers of values, the places of noise in the stream. */
  readonly candidates: ArrayLike<number>
  /** How many of them are masked again. */
  readonly masked: number
  /** Scale of the Gumbel noise that is added to log p; 0: none. */
  readonly temperature: number
  /** The stream of this sample and step. */
  readonly rng: Rng
}

/**
 * The candidates to mask again: the `masked` with the lowest log p + temperature·Gumbel noise, lowest first; of equals the first. MaskGIT,
 * arXiv:2202.04200, section 3.2, with the noise of its published code. Throws OptionError when more are to be masked than there are.
 */
export function leastConfident({ logProbs, candidates, masked, temperature, rng }: MaskChoice): Int32Array {
  checkInteger('masked', masked, 0, candidates.length)
  const scores = Float64Array.from(candidates, (value, i) =>
    temperature === 0 ? logProbs[i]! : logProbs[i]! + temperature * gumbel(rng.uniformAt(value)),
  )
  const order = Array.from(scores.keys()).sort((a, b) => scores[a]! - scores[b]! || a - b)
  return Int32Array.from(order.slice(0, masked), (i) => candidates[i]!)
}

/**
 * The scale of the noise at a step from 0: a number falls to 0 at the last step, evenly; a schedule says it itself. Throws OptionError when it is
 * below 0 or not finite.
 */
export function choiceTemperatureAt(temperature: number | StepSchedule, step: number, steps: number): number {
  const share = steps === 1 ? 0 : 1 - step / (steps - 1)
  const value = typeof temperature === 'function' ? temperature(step, steps) : temperature * share
  if (value >= 0 && value < Number.POSITIVE_INFINITY) return value
  throw new OptionError(`choiceTemperature is ${value} at step ${step} of ${steps}`, { expected: 'a finite number ≥ 0' })
}

/** −ln(−ln u); −∞ only at u = 0. */
function gumbel(uniform: number): number {
  return -Math.log(-Math.log(uniform))
}
