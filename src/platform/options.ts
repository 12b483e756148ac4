import { OptionError } from '../base/errors.ts'
import type { DeviceOptions, SessionOptions } from './device.ts'

const maximumThreads = 1024
const optimizations: readonly unknown[] = ['disabled', 'basic', 'extended', 'all']

/** @throws OptionError when `options` is not an object or has a key that is not in `known`. */
export function refuseUnknown(options: object, known: readonly string[], what: string): void {
  if (options === null || typeof options !== 'object') throw new OptionError(`${what} options are not an object`)
  const unknown = Object.keys(options).find((key) => !known.includes(key))
  if (unknown !== undefined) throw new OptionError(`unknown ${what} option '${unknown}'`, { expected: known.join(', ') })
}

/** @throws OptionError */
export function checkDeviceOptions(options: DeviceOptions): void {
  refuseUnknown(options, ['threads', 'spinning', 'worker'], 'device')
  const { threads } = options
  if (threads !== undefined && (!Number.isInteger(threads) || threads < 1 || threads > maximumThreads)) {
    throw new OptionError(`threads is ${String(threads)}`, { expected: `an integer from 1 to ${maximumThreads}` })
  }
  for (const key of ['spinning', 'worker'] as const) {
    const value = options[key]
    if (value !== undefined && typeof value !== 'boolean')
      throw new OptionError(`${key} is ${String(value)}`, { expected: 'a boolean' })
  }
}

/** @throws OptionError */
export function checkSessionOptions(options: SessionOptions): void {
  refuseUnknown(options, ['optimization', 'externalData'], 'session')
  const { optimization, externalData } = options
  if (optimization !== undefined && !optimizations.includes(optimization)) {
    throw new OptionError(`optimization is ${String(optimization)}`, { expected: optimizations.join(', ') })
  }
  for (const [location, bytes] of Object.entries(externalData ?? {})) {
    if (!(bytes instanceof Uint8Array))
      throw new OptionError(`external data '${location}' is not bytes`, { expected: 'a Uint8Array' })
  }
}
