import { OptionError } from '../../base/errors.ts'
import { evenTimes, type FieldCall, solve } from '../../decode/index.ts'
import type { SampleOptions } from '../image-system.ts'
import { atStep, named } from './named-place.ts'

/** How flows are followed from noise (time 1) to data (time 0). */
export interface FlowSolver {
  /** The values at time 0 of group `group` of `groups`, both from 0. Throws NonFiniteError naming group and step. */
  solve(field: FieldCall, noise: Float32Array, group: number, groups: number): Promise<Float32Array>
}

const methods = ['euler', 'heun', 'ab2'] as const

/** Reads the options of a solver. Throws OptionError on a method that follows no flow, and on a number of steps that `evenTimes` refuses; on what a
 * schedule gives, `solve` does. */
export function flowSolver({ method = 'euler', innerSteps = 25 }: SampleOptions, signal: AbortSignal | undefined): FlowSolver {
  const known = methods.find((name) => name === method)
  if (known === undefined) throw new OptionError(`method is ${method}`, { expected: methods.join(', ') })
  if (typeof innerSteps === 'number') evenTimes(innerSteps, 1, 0)
  return {
    async solve(field, noise, group, groups) {
      const steps = typeof innerSteps === 'function' ? innerSteps(group, groups) : innerSteps
      const called: FieldCall = (values, time, step) => atStep({ step, steps }, () => field(values, time, step))
      const run = () => solve(called, noise, evenTimes(steps, 1, 0), { method: known, ...(signal && { signal }) })
      return (await named(`group ${group + 1} of ${groups}`, run)).values
    },
  }
}
