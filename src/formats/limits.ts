import { OptionError } from '../base/errors.ts'

/**
 * `defaults` overridden by what was given.
 *
 * @throws OptionError for a limit that is unknown or not a positive integer.
 */
export function resolveLimits<Name extends string>(
  defaults: Readonly<Record<Name, number>>,
  given: Readonly<Partial<Record<Name, number>>>,
  what: string,
): Record<Name, number> {
  const limits: Record<Name, number> = { ...defaults }
  for (const [name, value] of Object.entries<number | undefined>(given)) {
    if (!isKeyOf(defaults, name)) {
      throw new OptionError(`unknown ${what} limit '${name}'`, { expected: Object.keys(defaults).join(', ') })
    }
    if (value === undefined) continue
    if (!Number.isSafeInteger(value) || value < 1) {
      throw new OptionError(`${what} limit ${name} is ${String(value)}`, { expected: 'a positive integer' })
    }
    limits[name] = value
  }
  return limits
}

function isKeyOf<Name extends string>(record: Readonly<Record<Name, unknown>>, name: string): name is Name {
  return Object.hasOwn(record, name)
}
