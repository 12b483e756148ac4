import { NonFiniteError } from '../../base/errors.ts'
import type { StepPlace } from './arms.ts'

/** Runs what may meet numbers that are not finite: its NonFiniteError then begins with this place. */
export async function named<T>(place: string, run: () => T | Promise<T>): Promise<T> {
  try {
    return await run()
  } catch (error) {
    if (error instanceof NonFiniteError) throw new NonFiniteError(`${place}: ${error.message}`, { cause: error })
    throw error
  }
}

/** Runs a step of a sampler, as `named`: its place is that of `SampleStep`, such as step 3 of 8. */
export function atStep<T>({ step, steps }: StepPlace, run: () => T | Promise<T>): Promise<T> {
  return named(`step ${step + 1} of ${steps}`, run)
}
