import { OptionError } from '../base/errors.ts'
import { refuseUnknown } from '../base/options.ts'
import type { DeviceOptions, SessionOptions } from './device.ts'

const maximumThreads = 1024
const optimizations: readonly unknown[] = ['disabled', 'basic', 'extended', 'all']

const deviceOptions = ['threads', 'spinning', 'worker'] as const satisfies (keyof DeviceOptions)[]

/**
 * @param more options that are known here besides those of every platform; their values are for the caller to check
 * @throws OptionError
 */
export function checkDeviceOptions(options: DeviceOptions, more: readonly (keyof DeviceOptions)[] = []): void {
  refuseUnknown(options, [...deviceOptions, ...more], 'device')
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
