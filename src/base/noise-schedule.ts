import { OptionError } from './errors.ts'

/** Timesteps of a diffusion, noisiest first, and the share ᾱ of the data's variance that is left at each. */
export interface SpacedSchedule {
  readonly times: readonly number[]
  readonly alphas: readonly number[]
}

/** No step destroys more than this: ᾱ stays above 0 at the last timestep. Nichol & Dhariwal 2021, section 3.2. */
const largestBeta = 0.999

/**
 * ᾱ of timesteps 0 (nearly clean) to `steps` − 1 (noise) of the cosine schedule: x_t = √ᾱ·x + √(1 − ᾱ)·ε. Nichol & Dhariwal 2021,
 * eq. 17. Throws OptionError unless `steps` is an integer ≥ 1.
 */
export function cosineAlphas(steps = 1000): Float64Array {
  checkCount('steps', steps, Number.MAX_SAFE_INTEGER)
  const level = (time: number) => Math.cos((((time / steps + 0.008) / 1.008) * Math.PI) / 2) ** 2
  const alphas = new Float64Array(steps)
  let product = 1
  for (let t = 0; t < steps; t++) {
    product *= 1 - Math.min(1 - level(t + 1) / level(t), largestBeta)
    alphas[t] = product
  }
  return alphas
}

/**
 * `count` of the schedule's timesteps spread evenly from the last to 0, as `solve` takes them with method 'ddpm'; one timestep is the
 * last. Nichol & Dhariwal 2021, section 4. Throws OptionError unless `count` is an integer from 1 to the number of timesteps.
 */
export function respace(alphas: ArrayLike<number>, count: number): SpacedSchedule {
  checkCount('count', count, alphas.length)
  const last = alphas.length - 1
  const times = Array.from({ length: count }, (_, i) => (count === 1 ? last : Math.round((last * (count - 1 - i)) / (count - 1))))
  return { times, alphas: times.map((time) => alphas[time]!) }
}

function checkCount(name: string, value: number, most: number): void {
  if (!Number.isSafeInteger(value) || value < 1 || value > most) {
    throw new OptionError(`${name} is ${value}`, {
      expected: most === Number.MAX_SAFE_INTEGER ? 'an integer ≥ 1' : `an integer in [1, ${most}]`,
    })
  }
}
