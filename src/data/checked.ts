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

export function wholeNumber(least: number, most: number = Number.MAX_SAFE_INTEGER): v.GenericSchema<number> {
  return v.pipe(v.number(), v.safeInteger(), v.minValue(least), v.maxValue(most))
}

export const seedSchema = v.union([wholeNumber(0), v.bigint()])

/** Strictly between 0 and 1. */
export const fractionSchema = v.pipe(v.number(), v.gtValue(0), v.ltValue(1))

const mostSlots = 2 ** 28

/** Throws OptionError when a batch of this many rows is beyond 2^28 slots. */
export function checkBatchSize({ length, batch }: { length: number; batch: number }): void {
  if (length * batch > mostSlots)
    throw new OptionError(`a batch of ${batch} × ${length} slots`, { expected: `at most ${mostSlots}` })
}
