import { uniformGenerator } from '../lib/random.ts'
import type { ServedRequest } from './arm.ts'

/** Log-normal lengths of a mean, cut at `most`. */
export interface LengthDistribution {
  readonly mean: number
  /** Standard deviation of the logarithm. */
  readonly sigma: number
  readonly most: number
}

export interface ScheduleOptions {
  readonly count: number
  /** Mean time between arrivals, exponentially distributed, in ms. */
  readonly gap: number
  readonly prompt: LengthDistribution
  readonly tokens: LengthDistribution
  readonly seed: number
}

/** Requests by rising arrival. */
export function schedule({ count, gap, prompt, tokens, seed }: ScheduleOptions): ServedRequest[] {
  const uniform = uniformGenerator(seed)
  let at = 0
  return Array.from({ length: count }, () => {
    at += -Math.log(uniform()) * gap
    return { at, prompt: logNormal(prompt, uniform), tokens: logNormal(tokens, uniform) }
  })
}

/** A whole number of at least 2. */
export function logNormal({ mean, sigma, most }: LengthDistribution, uniform: () => number): number {
  const normal = Math.sqrt(-2 * Math.log(uniform())) * Math.cos(2 * Math.PI * uniform())
  const value = Math.exp(Math.log(mean) - sigma ** 2 / 2 + sigma * normal)
  return Math.min(most, Math.max(2, Math.round(value)))
}
