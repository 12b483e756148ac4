import type { Device, DeviceInfo } from './device.ts'
import { describeMachine, type Machine } from './machine.ts'
import { messageOf, runtimeVersion, testedRuntimeVersion } from './ort-api.ts'
import { openOrtDevice } from './ort-device.ts'
import { installRuntime, loadRuntime, type OrtRuntime } from './ort-runtime.ts'
import { runSelfTest } from './self-test.ts'
import { openWorkerDevice } from './worker-device.ts'

export interface Diagnosis {
  readonly node: { readonly version: string; readonly platform: string; readonly architecture: string }
  readonly machine: Machine
  readonly runtime: RuntimeReport
  readonly selfTests: { readonly inProcess: SelfTestReport; readonly worker: SelfTestReport }
  /** What keeps nextx from working, or from working as tested, and how to mend it. Empty when all is well. */
  readonly findings: readonly Finding[]
}

export type RuntimeReport =
  | {
      readonly found: true
      readonly version: string
      readonly providers: readonly { readonly name: string; readonly bundled: boolean }[]
    }
  | { readonly found: false; readonly problem: string }

/** `landed`: outputs are written where they are told to go; `inPlace`: also over one of the run's own inputs. */
export type SelfTestReport =
  | { readonly passed: true; readonly device: DeviceInfo; readonly landed: boolean; readonly inPlace: boolean }
  | { readonly passed: false; readonly problem: string }

export interface Finding {
  readonly problem: string
  readonly fix: string
}

/**
 * Looks at everything that programs need to run here. Never throws: what fails is in the report.
 * @example
 * const { findings } = await diagnose()
 * for (const { problem, fix } of findings) console.log(`${problem}: ${fix}`)
 */
export async function diagnose(load: () => Promise<OrtRuntime> = loadRuntime): Promise<Diagnosis> {
  const { version, platform, arch } = process
  const settings = { threads: 1, spinning: false }
  const runtime = await reportRuntime(load)
  const inProcess = await reportSelfTest(() => openOrtDevice(settings, { load }))
  const worker = await reportSelfTest(() => openWorkerDevice(settings))
  return {
    node: { version, platform, architecture: arch },
    machine: describeMachine(),
    runtime,
    selfTests: { inProcess, worker },
    findings: [...nodeFindings(version), ...runtimeFindings(runtime), ...selfTestFindings(runtime, { inProcess, worker })],
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
    return { passed: false, problem: messageOf(error) }
  }
}

/** The oldest Node.js that package.json's `engines` allows. */
function nodeFindings(version: string): Finding[] {
  const [major = 0, minor = 0] = version.slice(1).split('.').map(Number)
  const old = major < 20 || (major === 20 && minor < 19)
  return old ? [{ problem: `Node.js ${version} is too old`, fix: 'install Node.js 20.19 or later' }] : []
}

function runtimeFindings(runtime: RuntimeReport): Finding[] {
  if (!runtime.found) return [{ problem: runtime.problem, fix: installRuntime }]
  if (runtime.version === testedRuntimeVersion) return []
  const problem = `onnxruntime-node ${runtime.version} was not tested with this release of nextx`
  return [{ problem, fix: `npm install onnxruntime-node@${testedRuntimeVersion}` }]
}

/** Without a runtime no self-test can pass, which is one finding and not three. */
function selfTestFindings(runtime: RuntimeReport, tests: Diagnosis['selfTests']): Finding[] {
  if (!runtime.found) return []
  const fix = `reinstall nextx and onnxruntime-node@${testedRuntimeVersion}`
  return Object.entries(tests).flatMap(([name, test]) =>
    test.passed ? [] : [{ problem: `the self-test failed (${name}): ${test.problem}`, fix }],
  )
}
