import * as v from 'valibot'
import { OptionError } from '../base/errors.ts'

/** Throws OptionError unless `options` has exactly the fields of `schema`. */
export function checkOptions(schema: v.GenericSchema<unknown, unknown>, options: unknown, what: string): void {
  const { issues } = v.safeParse(schema, options, { abortEarly: true })
  const [issue] = issues ?? []
  if (issue === undefined) return
  const path = v.getDotPath(issue)
  throw new OptionError(`${what}: ${path === null ? '' : `${path}: `}${issue.message}`)
}

export function wholeNumber(least: number): v.GenericSchema<number> {
  return v.pipe(v.number(), v.safeInteger(), v.minValue(least))
}

export const positive = v.pipe(v.number(), v.finite(), v.gtValue(0))

export const nonNegative = v.pipe(v.number(), v.finite(), v.minValue(0))

/** In [0, 1). */
export const decayRate = v.pipe(v.number(), v.minValue(0), v.ltValue(1))

/** Anything that can be called; its parameters and result are the compiler's to check. */
export const callable = v.function()
