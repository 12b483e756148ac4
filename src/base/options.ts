import * as v from 'valibot'
import { OptionError } from './errors.ts'

export type OptionSchema = v.GenericSchema<unknown, unknown>

/** Throws OptionError unless `options` fits `schema` (a strict object refuses unknown fields). `what` names the function. */
export function checkOptions(schema: OptionSchema, options: unknown, what: string): void {
  const problem = problemOf(schema, options)
  if (problem !== undefined) throw new OptionError(`${what}: ${problem}`)
}

/** The first way in which `value` does not fit `schema`, with its path. */
export function problemOf(schema: OptionSchema, value: unknown): string | undefined {
  const { issues } = v.safeParse(schema, value, { abortEarly: true })
  const [issue] = issues ?? []
  if (issue === undefined) return undefined
  const path = v.getDotPath(issue)
  return path === null ? shortened(issue.message) : `${shortened(path)}: ${shortened(issue.message)}`
}

/** Throws OptionError when `options` is not an object or has a key that is not in `known`. */
export function refuseUnknown(options: object, known: readonly string[], what: string): void {
  if (options === null || typeof options !== 'object') throw new OptionError(`${what} options are not an object`)
  const unknown = Object.keys(options).find((key) => !known.includes(key))
  if (unknown !== undefined) throw new OptionError(`unknown ${what} option '${unknown}'`, { expected: known.join(', ') })
}

export function wholeNumber(least: number, most: number = Number.MAX_SAFE_INTEGER): v.GenericSchema<number> {
  return v.pipe(v.number(), v.safeInteger(), v.minValue(least), v.maxValue(most))
}

export const positive = v.pipe(v.number(), v.finite(), v.gtValue(0))

export const nonNegative = v.pipe(v.number(), v.finite(), v.minValue(0))

/** Anything that can be called; its parameters and result are the compiler's to check. */
export const callable = v.function()

/** Text from outside as messages show it. */
export function shortened(text: string, length = 200): string {
  return text.length > length ? `${text.slice(0, length)}…` : text
}
