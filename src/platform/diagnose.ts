import type { Device, DeviceInfo, DriverName } from './device.ts'
import { describeMachine, type Machine } from './machine.ts'
import { messageOf, runtimeVersion, testedRuntimeVersion } from './ort-api.ts'
import { installKoffi, KoffiMissingError, koffiPackage, loadOrtCApi, type OrtCApi } from './ort-c-api.ts'
import { openOrtCDevice } from './ort-c-device.ts'
import { openOrtDevice } from './ort-device.ts'
import { installRuntime, loadRuntime, type OrtRuntime } from './ort-runtime.ts'
import { runSelfTest, type SelfTest } from './self-test.ts'
import { openWorkerDevice } from './worker-device.ts'

export interface Diagnosis {
  readonly node: { readonly version: string; readonly platform: string; readonly architecture: string }
  readonly machine: Machine
  readonly runtime: RuntimeReport
  /** What `openDevice()` runs programs on here, and why; undefined when nothing works. */
  readonly driver: { readonly name: DriverName; readonly reason: string } | undefined
  /** ONNX Runtime's C API, and the binding of onnxruntime-node in this thread and in a worker. */
  readonly selfTests: { readonly cApi: SelfTestReport; readonly inProcess: SelfTestReport; readonly worker: SelfTestReport }
  /** What keeps nextx from working, from working as tested, or from working as fast as it could, and how to mend it. */
  readonly findings: readonly Finding[]
}

export type RuntimeReport =
  | {
      readonly found: true
      readonly version: string
      readonly providers: readonly { readonly name: string; readonly bundled: boolean }[]
    }
  | { readonly found: false; readonly problem: string }

export type SelfTestReport =
  | ({ readonly passed: true; readonly device: DeviceInfo } & SelfTest)
  /** `missing`: an optional package is not installed. */
  | { readonly passed: false; readonly problem: string; readonly missing: boolean }

export interface Finding {
  readonly problem: string
  readonly fix: string
  /** nextx works as tested without it, only slower. */
  readonly optional: boolean
}

/** What a diagnosis looks at; the packages that are installed, unless said. */
export interface DiagnosisParts {
  readonly load?: () => Promise<OrtRuntime>
  readonly loadC?: () => Promise<OrtCApi>
}

/**
 * Looks at everything that programs need to run here. Never throws: what fails is in the report.
 * @example
 * const { findings } = await diagnose()
 * for (const { problem, fix } of findings) console.log(`${problem}: ${fix}`)
 */
export async function diagnose({ load = loadRuntime, loadC = loadOrtCApi }: DiagnosisParts = {}): Promise<Diagnosis> {
  const { version, platform, arch } = process
  const settings = { threads: 1, spinning: false }
  const runtime = await reportRuntime(load)
  const cApi = await reportSelfTest(() => openOrtCDevice(settings, loadC))
  const inProcess = await reportSelfTest(() => openOrtDevice(settings, { load }))
  const worker = await reportSelfTest(() => openWorkerDevice(settings))
  return {
    node: { version, platform, architecture: arch },
    machine: describeMachine(),
    runtime,
    driver: chosenDriver({ cApi, inProcess, worker }),
    selfTests: { cApi, inProcess, worker },
    findings: [...nodeFindings(version), ...runtimeFindings(runtime), ...selfTestFindings(runtime, { cApi, inProcess, worker })],
  }
}

async function reportRuntime(load: () => Promise<OrtRuntime>): Promise<RuntimeReport> {
  try {
    const runtime = await loadRuntime(load)
    const providers = runtime.listSupportedBackends().map(({ name, bundled }) => ({ name, bundled }))
    return { found: true, version: runtimeVersion(runtime), providers }
  } catch (error) {
    return { found: false, problem: messageOf(error) }
  }
}

async function reportSelfTest(open: () => Promise<Device>): Promise<SelfTestReport> {
  try {
    const device = await open()
    try {
      return { passed: true, device: device.info, ...(await runSelfTest(device)) }
    } finally {
      await device[Symbol.asyncDispose]()
    }
  } catch (error) {
    return { passed: false, problem: messageOf(error), missing: error instanceof KoffiMissingError }
  }
}

function chosenDriver({ cApi, worker }: Diagnosis['selfTests']): Diagnosis['driver'] {
  if (cApi.passed) return { name: 'onnxruntime-c', reason: 'it passed its self-test, and computes outputs in place' }
  return worker.passed ? { name: 'onnxruntime-node', reason: `the C API cannot be used: ${cApi.problem}` } : undefined
}

/** The oldest Node.js that package.json's `engines` allows. */
function nodeFindings(version: string): Finding[] {
  const [major = 0, minor = 0] = version.slice(1).split('.').map(Number)
  const old = major < 20 || (major === 20 && minor < 19)
  return old ? [{ problem: `Node.js ${version} is too old`, fix: 'install Node.js 20.19 or later', optional: false }] : []
}

function runtimeFindings(runtime: RuntimeReport): Finding[] {
  if (!runtime.found) return [{ problem: runtime.problem, fix: installRuntime, optional: false }]
  if (runtime.version === testedRuntimeVersion) return []
  const problem = `onnxruntime-node ${runtime.version} was not tested with this release of nextx`
  return [{ problem, fix: `npm install onnxruntime-node@${testedRuntimeVersion}`, optional: false }]
}

/** Without a runtime no self-test can pass, which is one finding and not four. */
function selfTestFindings(runtime: RuntimeReport, { cApi, ...binding }: Diagnosis['selfTests']): Finding[] {
  if (!runtime.found) return []
  const fix = `reinstall nextx and onnxruntime-node@${testedRuntimeVersion}`
  const failed = Object.entries(binding).flatMap(([name, test]) =>
    test.passed ? [] : [{ problem: `the self-test failed (${name}): ${test.problem}`, fix, optional: false }],
  )
  return [...failed, ...cApiFindings(cApi, runtime.version)]
}

/** A release that was not tested is a finding already. */
function cApiFindings(cApi: SelfTestReport, version: string): Finding[] {
  if (cApi.passed || version !== testedRuntimeVersion) return []
  if (cApi.missing) {
    const problem = 'koffi is not installed: outputs are copied, and large models decode more slowly than they could'
    return [{ problem, fix: installKoffi, optional: true }]
  }
  return [{ problem: `the self-test failed (cApi): ${cApi.problem}`, fix: `npm install ${koffiPackage}`, optional: false }]
}
