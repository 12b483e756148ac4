import { OptionError } from '../base/errors.ts'
import { refuseUnknown } from '../base/options.ts'
import type { DeviceOptions, DriverName, SessionOptions } from './device.ts'

const maximumThreads = 1024
const optimizations: readonly unknown[] = ['disabled', 'basic', 'extended', 'all']

/** What openDevice can grant here. */
export interface DevicePlatform {
  readonly drivers: readonly DriverName[]
  /** Options known here besides those of every platform; their values are for the caller to check. */
  readonly options?: readonly (keyof DeviceOptions)[]
}

/** @throws OptionError */
export function checkDeviceOptions(options: DeviceOptions, { drivers, options: more = [] }: DevicePlatform): void {
  refuseUnknown(options, ['threads', 'spinning', 'worker', 'driver', ...more], 'device')
  const { threads, driver = 'auto' } = options
  if (threads !== undefined && (!Number.isInteger(threads) || threads < 1 || threads > maximumThreads)) {
    throw new OptionError(`threads is ${String(threads)}`, { expected: `an integer from 1 to ${maximumThreads}` })
  }
  if (driver !== 'auto' && !drivers.includes(driver)) {
    throw new OptionError(`driver is ${String(driver)}`, { expected: ['auto', ...drivers].join(', ') })
  }
  for (const key of ['spinning', 'worker'] as const) {
    const value = options[key]
    if (value !== undefined && typeof value !== 'boolean')
      throw new OptionError(`${key} is ${String(value)}`, { expected: 'a boolean' })
  }
}

/** @throws OptionError */
export function checkSessionOptions(options: SessionOptions): void {
  refuseUnknown(options, ['optimization', 'externalData', 'externalFolder'], 'session')
  const { optimization, externalData, externalFolder } = options
  if (optimization !== undefined && !optimizations.includes(optimization)) {
    throw new OptionError(`optimization is ${String(optimization)}`, { expected: optimizations.join(', ') })
  }
  for (const [location, bytes] of Object.entries(externalData ?? {})) {
    if (!(bytes instanceof Uint8Array))
      throw new OptionError(`external data '${location}' is not bytes`, { expected: 'a Uint8Array' })
  }
  if (externalFolder !== undefined && !isPath(externalFolder)) {
    throw new OptionError(`externalFolder is ${JSON.stringify(externalFolder)}`, { expected: 'the path of a folder' })
  }
}

function isPath(value: unknown): boolean {
  return typeof value === 'string' && value !== '' && !value.includes('\0')
}

/** @throws OptionError */
export function checkModel(model: Uint8Array): void {
  if (!(model instanceof Uint8Array) || model.length === 0)
    throw new OptionError('the model has no bytes', { expected: 'an ONNX file' })
}
