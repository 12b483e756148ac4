import type { Device, DriverName, SessionOptions } from './device.ts'
import { type OrtApi, runtimeVersion, testedRuntimeVersion } from './ort-api.ts'
import { OrtSession } from './ort-session.ts'
import { passSelfTest } from './self-test.ts'
import { type Around, SessionDevice } from './session-device.ts'
import type { SessionDriver, SessionSettings } from './session-driver.ts'

export interface OrtDeviceParts {
  readonly load: () => Promise<OrtApi>
  /** The package that `load` loads; onnxruntime-node unless said. */
  readonly driver?: DriverName
  readonly around?: Around
  /** Throws on session options that the package cannot honour. */
  readonly refuse?: (options: SessionOptions) => void
}

/**
 * A device on a package of ONNX Runtime and the calling thread: a run holds up the event loop until it is done.
 * @throws RuntimeError when the package is missing, does not load, or does not put results where it is told to.
 */
export async function openOrtDevice(settings: SessionSettings, parts: OrtDeviceParts): Promise<Device> {
  const { load, driver = 'onnxruntime-node', around, refuse = () => undefined } = parts
  const device = new SessionDevice(ortDriver({ driver, refuse }, await load(), settings), around)
  return passSelfTest(device, ['landed', 'inPlace', 'ragged'], `npm install ${driver}@${testedRuntimeVersion}`)
}

type Manners = Required<Pick<OrtDeviceParts, 'driver' | 'refuse'>>

function ortDriver({ driver, refuse }: Manners, runtime: OrtApi, settings: SessionSettings): SessionDriver {
  const { threads } = settings
  return {
    info: { driver, version: runtimeVersion(runtime), threads, worker: false, boundOutputs: false },
    copiesArrays: false,
    load: async (model, options) => {
      refuse(options)
      return OrtSession.create(runtime, model, settings, options)
    },
    release: async () => undefined,
  }
}
