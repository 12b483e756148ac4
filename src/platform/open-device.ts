import type { Device, DeviceOptions } from './device.ts'
import { physicalCores } from './machine.ts'
import { checkDeviceOptions } from './options.ts'
import { openOrtDevice } from './ort-device.ts'
import { loadRuntime } from './ort-runtime.ts'
import { openWorkerDevice } from './worker-device.ts'

/**
 * Opens the device that programs run on; close it with `await using` or `device[Symbol.asyncDispose]()`.
 * @throws OptionError on unknown or invalid options; RuntimeError when onnxruntime-node is missing or does not work.
 * @example
 * await using device = await openDevice({ threads: 2 })
 * const session = await device.load(modelBytes)
 */
export async function openDevice(options: DeviceOptions = {}): Promise<Device> {
  checkDeviceOptions(options)
  const { threads = physicalCores(), spinning = false, worker = true } = options
  return worker ? openWorkerDevice({ threads, spinning }) : openOrtDevice({ threads, spinning }, { load: loadRuntime })
}
