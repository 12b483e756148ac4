import * as v from 'valibot'
import { OptionError } from '../base/errors.ts'
import { wholeNumber } from '../base/options.ts'

export const seedSchema = v.union([wholeNumber(0), v.bigint()])

/** Strictly between 0 and 1. */
export const fractionSchema = v.pipe(v.number(), v.gtValue(0), v.ltValue(1))

const mostSlots = 2 ** 28

/** Throws OptionError when a batch of this many rows is beyond 2^28 slots. */
export function checkBatchSize({ length, batch }: { length: number; batch: number }): void {
  if (length * batch > mostSlots)
    throw new OptionError(`a batch of ${batch} × ${length} slots`, { expected: `at most ${mostSlots}` })
}
