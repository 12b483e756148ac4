import { OptionError } from '../base/errors.ts'

/** Throws OptionError unless all sizes are integers ≥ 1. */
export function checkSizes(sizes: Readonly<Record<string, number>>): void {
  for (const [name, size] of Object.entries(sizes)) {
    if (!Number.isSafeInteger(size) || size < 1) throw new OptionError(`${name} is ${size}`, { expected: 'an integer ≥ 1' })
  }
}
