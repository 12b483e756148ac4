import { RuntimeError } from '../base/errors.ts'
import type { Device } from './device.ts'
import { loadRuntime, type OrtRuntime, runtimeVersion, testedRuntimeVersion } from './ort-runtime.ts'
import { OrtSession } from './ort-session.ts'
import { runSelfTest } from './self-test.ts'
import { type Around, SessionDevice } from './session-device.ts'
import type { SessionDriver, SessionSettings } from './session-driver.ts'

export interface OrtDeviceParts {
  readonly load?: () => Promise<OrtRuntime>
  readonly around?: Around
}

/**
 * A device on onnxruntime-node and the calling thread: a run holds up the event loop until it is done.
 * @throws RuntimeError when onnxruntime-node is missing, does not load, or does not put results where it is told to.
 */
export async function openOrtDevice(settings: SessionSettings, parts: OrtDeviceParts = {}): Promise<Device> {
  const { load = loadRuntime, around } = parts
  const device = new SessionDevice(ortDriver(await load(), settings), around)
  const { inPlace, landed } = await runSelfTest(device)
  if (inPlace && landed) return device
  await device[Symbol.asyncDispose]()
  throw new RuntimeError(`onnxruntime-node ${device.info.version} does not write outputs into the memory it is given`, {
    expected: `the behaviour of ${testedRuntimeVersion}`,
    fix: `npm install onnxruntime-node@${testedRuntimeVersion}`,
  })
}

function ortDriver(runtime: OrtRuntime, settings: SessionSettings): SessionDriver {
  const { threads } = settings
  return {
    info: { driver: 'onnxruntime-node', version: runtimeVersion(runtime), threads, worker: false, boundOutputs: false },
    copiesArrays: false,
    load: (model, options) => OrtSession.create(runtime, model, settings, options),
    release: async () => undefined,
  }
}
