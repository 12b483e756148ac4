import * as v from 'valibot'
import { OptionError } from '../base/errors.ts'

/** A positive integer below 2^31, as sizes in configurations are. */
export const count = v.pipe(v.number(), v.integer(), v.minValue(1), v.maxValue(2 ** 31 - 1))
/** Layers are built before the weights are read: a hostile configuration must not ask for billions. */
export const layerCount = v.pipe(v.number(), v.integer(), v.minValue(1), v.maxValue(1024))
/** At least 0, below 1. */
export const share = v.pipe(v.number(), v.minValue(0), v.ltValue(1))
export const positive = v.pipe(v.number(), v.finite(), v.gtValue(0))

/** Checks plain data against a schema. Throws OptionError naming the field; fields that no schema has are called unknown. */
export function parseConfig<T>(schema: v.GenericSchema<unknown, T>, data: unknown, what: string): T {
  const result = v.safeParse(schema, data, { abortEarly: true })
  if (result.success) return result.output
  const [issue] = result.issues
  if (issue.type === 'strict_object' && issue.expected === 'never')
    throw new OptionError(`${what}: unknown option '${v.getDotPath(issue)}'`, { fix: 'leave it out, or mend its name' })
  throw new OptionError(`${what}: ${v.getDotPath(issue) ?? 'the whole'} is ${issue.received}`, {
    expected: issue.expected ?? issue.message,
  })
}
