import { OptionError } from '../base/errors.ts'
import { refuseUnknown } from '../base/options.ts'
import { checkInteger } from './checks.ts'
import type { StepSchedule } from './guidance.ts'

/** Share of the way from `lower` to `upper` at step `step` of `steps` > 1: 1 at first, 0 at last. */
const shares = {
  linear: (step, steps) => (steps - 1 - step) / (steps - 1),
  cosine: (step, steps) => (1 + Math.cos((Math.PI * step) / (steps - 1))) / 2,
  'two-stage': (step, steps) => (step < steps / 2 ? 1 : 0),
  constant: () => 1,
} satisfies Record<string, StepSchedule>

export interface DisaOptions {
  /** Solver steps where generation begins. */
  readonly upper: number
  /** Solver steps where it ends; 'constant' does not use it. */
  readonly lower: number
  readonly schedule: keyof typeof shares
  /** From `lower` to `upper` instead. Default false. */
  readonly reverse?: boolean
}

/** Keeps a share that is a whole number of steps, but for rounding, whole. */
const slack = 1e-9

/**
 * Diffusion step annealing: fewer solver steps the more is generated already, `upper` at the first step and `lower` at the last; 'two-stage'
 * switches half-way. A single step takes `upper`. Zhao et al. 2025 (DiSA). Throws OptionError unless 1 ≤ lower ≤ upper, both integers.
 * @example
 * const innerSteps = disa({ upper: 50, lower: 5, schedule: 'linear' })
 * innerSteps(0, 64) // 50; innerSteps(63, 64) is 5
 */
export function disa(options: DisaOptions): StepSchedule {
  refuseUnknown(options, ['upper', 'lower', 'schedule', 'reverse'], 'disa')
  const { upper, lower, schedule, reverse = false } = options
  checkInteger('upper', upper, 1)
  checkInteger('lower', lower, 1, upper)
  if (!Object.hasOwn(shares, schedule))
    throw new OptionError(`schedule is ${String(schedule)}`, { expected: Object.keys(shares).join(', ') })
  if (typeof reverse !== 'boolean') throw new OptionError(`reverse is ${String(reverse)}`, { expected: 'true or false' })
  return (step, steps) => {
    checkInteger('step', step, 0, steps - 1)
    if (steps === 1) return upper
    return lower + Math.floor((upper - lower) * shares[schedule](reverse ? steps - 1 - step : step, steps) + slack)
  }
}
