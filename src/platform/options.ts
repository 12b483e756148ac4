import { OptionError } from '../base/errors.ts'
import { refuseUnknown } from '../base/options.ts'
import type { DeviceOptions, SessionOptions } from './device.ts'

const maximumThreads = 1024
const optimizations: readonly unknown[] = ['disabled', 'basic', 'extended', 'all']
const drivers: readonly unknown[] = ['auto', 'onnxruntime-c', 'onnxruntime-node']

/** @throws OptionError */
export function checkDeviceOptions(options: DeviceOptions): void {
  refuseUnknown(options, ['threads', 'spinning', 'worker', 'driver'], 'device')
  const { threads, driver } = options
  if (threads !== undefined && (!Number.isInteger(threads) || threads < 1 || threads > maximumThreads)) {
    throw new OptionError(`threads is ${String(threads)}`, { expected: `an integer from 1 to ${maximumThreads}` })
  }
  if (driver !== undefined && !drivers.includes(driver)) {
    throw new OptionError(`driver is ${String(driver)}`, { expected: drivers.join(', ') })
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
