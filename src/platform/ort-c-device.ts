import type { Device } from './device.ts'
import { testedRuntimeVersion } from './ort-api.ts'
import { koffiPackage, loadOrtCApi, type OrtCApi } from './ort-c-api.ts'
import { OrtCCalls } from './ort-c-calls.ts'
import { createSession, fatalOnly, readPorts } from './ort-c-model.ts'
import { OrtCSession } from './ort-c-session.ts'
import { passSelfTest } from './self-test.ts'
import { SessionDevice } from './session-device.ts'
import type { DriverSession, SessionDriver, SessionSettings } from './session-driver.ts'

/** `OrtArenaAllocator`, `OrtMemTypeDefault` */
const [arena, defaultMemory] = [1, 0]

/**
 * A device on ONNX Runtime's C API: runs are done on other threads of the process, and outputs are computed in the views they go to.
 * @throws RuntimeError when koffi or onnxruntime-node is missing, or they do not work together as tested.
 */
export async function openOrtCDevice(settings: SessionSettings, load: () => Promise<OrtCApi> = loadOrtCApi): Promise<Device> {
  const device = new SessionDevice(ortCDriver(await load(), settings))
  const needs = ['landed', 'inPlace', 'ragged', 'boundCache'] as const
  return passSelfTest(device, needs, `npm install onnxruntime-node@${testedRuntimeVersion} ${koffiPackage}`)
}

function ortCDriver(api: OrtCApi, settings: SessionSettings): SessionDriver {
  const calls = new OrtCCalls(api)
  const environment = calls.word('start', 'CreateEnv', fatalOnly, 'nextx')
  const memoryInfo = calls.word('start', 'CreateCpuMemoryInfo', arena, defaultMemory)
  return {
    info: { driver: 'onnxruntime-c', version: api.version, threads: settings.threads, worker: false, boundOutputs: true },
    copiesArrays: true,
    async load(model, options): Promise<DriverSession> {
      const pointer = await createSession(calls, environment, model, settings, options)
      try {
        const [inputs, outputs] = [readPorts(calls, pointer, 'Input'), readPorts(calls, pointer, 'Output')]
        return new OrtCSession({ calls, pointer, memoryInfo, inputs, outputs })
      } catch (error) {
        calls.release('ReleaseSession', pointer)
        throw error
      }
    },
    async release(): Promise<void> {
      calls.release('ReleaseMemoryInfo', memoryInfo)
      calls.release('ReleaseEnv', environment)
    },
  }
}
