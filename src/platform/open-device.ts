import type { Device, DeviceOptions } from './device.ts'
import { physicalCores } from './machine.ts'
import { checkDeviceOptions } from './options.ts'
import { messageOf } from './ort-api.ts'
import { KoffiMissingError } from './ort-c-api.ts'
import { openOrtCDevice } from './ort-c-device.ts'
import { openOrtDevice } from './ort-device.ts'
import { loadRuntime } from './ort-runtime.ts'
import { openWorkerDevice } from './worker-device.ts'

/**
 * Opens the device that programs run on; close it with `await using` or `device[Symbol.asyncDispose]()`.
 * @throws OptionError on unknown or invalid options; RuntimeError when onnxruntime-node is missing or does not work, or the driver
 * that was asked for does not.
 * @example
 * await using device = await openDevice({ threads: 2 })
 * const session = await device.load(modelBytes)
 */
export async function openDevice(options: DeviceOptions = {}): Promise<Device> {
  checkDeviceOptions(options, { drivers: ['onnxruntime-c', 'onnxruntime-node'] })
  const { threads = physicalCores(), spinning = false, worker = true, driver = 'auto' } = options
  const settings = { threads, spinning }
  const openBinding = (): Promise<Device> => (worker ? openWorkerDevice(settings) : openOrtDevice(settings, { load: loadRuntime }))
  if (driver === 'onnxruntime-node') return openBinding()
  const openC = (): Promise<Device> => openOrtCDevice(settings)
  return driver === 'onnxruntime-c' ? openC() : openBest(openC, openBinding)
}

/** The C API where it works. That koffi is not there is nothing to warn of; that it is there in vain is. */
export async function openBest(openC: () => Promise<Device>, openBinding: () => Promise<Device>): Promise<Device> {
  try {
    return await openC()
  } catch (error) {
    const device = await openBinding()
    if (!(error instanceof KoffiMissingError)) {
      process.emitWarning(`nextx runs on onnxruntime-node's binding, with copies: ${messageOf(error)}`, { code: 'NEXTX_DRIVER' })
    }
    return device
  }
}
