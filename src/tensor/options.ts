import * as v from 'valibot'
import { OptionError } from '../base/errors.ts'

const callable = v.custom<(...parameters: never[]) => unknown>((value) => typeof value === 'function', 'must be a function')

export const compileSchema = v.strictObject({
  device: v.optional(v.custom<object>((value) => typeof value === 'object' && value !== null, 'must be a device')),
  frozen: v.optional(v.boolean()),
  inPlace: v.optional(v.boolean()),
  name: v.optional(v.string()),
  optimization: v.optional(v.picklist(['disabled', 'basic', 'extended', 'all'])),
})

export const runSchema = v.strictObject({
  only: v.optional(v.array(v.string())),
  guard: v.optional(callable),
  rows: v.optional(v.instance(Map)),
})

/** Throws OptionError on unknown or malformed options. */
export function checkOptions(schema: typeof compileSchema | typeof runSchema, options: unknown, what: string): void {
  const result = v.safeParse<v.GenericSchema>(schema, options)
  if (result.success) return
  const [issue] = result.issues
  throw new OptionError(`${what}: ${v.getDotPath(issue) ?? 'options'}: ${issue.message}`)
}
