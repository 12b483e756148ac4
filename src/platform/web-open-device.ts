import { OptionError } from '../base/errors.ts'
import type { Device, DeviceOptions, SessionOptions } from './device.ts'
import { openOrtDevice } from './ort-device.ts'
import { webSettings } from './web-options.ts'
import { loadWebRuntime } from './web-runtime.ts'

// In a browser this module stands in for open-device.ts.

/**
 * Opens the device that programs run on; close it with `await using` or `device[Symbol.asyncDispose]()`.
 * @throws OptionError on unknown or invalid options, and those that this browser cannot grant; RuntimeError when onnxruntime-web is
 * missing or does not work.
 * @example
 * await using device = await openDevice({ threads: 2 })
 */
export async function openDevice(options: DeviceOptions = {}): Promise<Device> {
  const settings = await webSettings(options)
  const load = () => loadWebRuntime(settings)
  return openOrtDevice({ threads: settings.threads, spinning: false }, { driver: 'onnxruntime-web', load, refuse: refuseFolder })
}

function refuseFolder({ externalFolder }: SessionOptions): void {
  if (externalFolder === undefined) return
  throw new OptionError('a browser maps no files: externalFolder is given', {
    fix: 'read the files, and pass them as externalData',
  })
}
