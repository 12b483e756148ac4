import { describe, expect, it, vi } from 'vitest'
import { OptionError, RuntimeError } from '../../../src/base/errors.ts'
import type { Device, DeviceOptions } from '../../../src/platform/device.ts'
import { diagnose } from '../../../src/platform/diagnose.ts'
import { physicalCores } from '../../../src/platform/machine.ts'
import { openBest, openDevice } from '../../../src/platform/open-device.ts'
import { KoffiMissingError, loadOrtCApi, type OrtCApi } from '../../../src/platform/ort-c-api.ts'
import { openOrtCDevice } from '../../../src/platform/ort-c-device.ts'
import { openOrtDevice } from '../../../src/platform/ort-device.ts'
import { loadRuntime, type OrtRuntime } from '../../../src/platform/ort-runtime.ts'
import { selfTestModels } from '../../../src/platform/self-test-models.ts'
import { counting } from './counting-api.ts'
import { selfTestBytes } from './self-test-models.ts'

const settings = { threads: 1, spinning: false }

function notFound(name: string): Promise<never> {
  return Promise.reject(
    Object.assign(new Error(`Cannot find package '${name}' imported from here`), { code: 'ERR_MODULE_NOT_FOUND' }),
  )
}

/** ONNX Runtime, but for outputs: they never reach the memory that they are given. */
async function withoutInPlaceOutputs(): Promise<OrtRuntime> {
  const runtime = await loadRuntime()
  return {
    ...runtime,
    InferenceSession: {
      create: async (model: Uint8Array) => {
        const session = await runtime.InferenceSession.create(model)
        const { inputMetadata, outputMetadata } = session
        const run = (feeds: Parameters<typeof session.run>[0]): Promise<unknown> => session.run(feeds)
        return { inputMetadata, outputMetadata, run, release: () => session.release() }
      },
    } as unknown as OrtRuntime['InferenceSession'],
  }
}

describe('openDevice', () => {
  it.each<object>([
    { threads: 0 },
    { threads: 1.5 },
    { threads: 1025 },
    { threads: '2' },
    { threads: Number.NaN },
    { spinning: 1 },
    { worker: 'yes' },
    { driver: 'onnxruntime' },
    { driver: null },
    { cores: 2 },
  ])('refuses %j', async (options) => {
    await expect(openDevice(options as DeviceOptions)).rejects.toThrow(OptionError)
  })

  it('uses as many threads as it is told, or one for each core', async () => {
    for (const [options, threads] of [
      [{ threads: 3, spinning: true }, 3],
      [{}, physicalCores()],
    ] as const) {
      const device = await openDevice({ worker: false, ...options })
      expect(device.info.threads).toBe(threads)
      await device[Symbol.asyncDispose]()
    }
  })

  it('tells how to install a runtime that is missing', async () => {
    const opening = openOrtDevice(settings, { load: () => loadRuntime(() => notFound('onnxruntime-node')) })
    await expect(opening).rejects.toThrow(RuntimeError)
    await expect(opening).rejects.toThrow(/not installed; install it with `npm install onnxruntime-node/)
  })

  it('does not take a missing part of the runtime for a missing runtime', async () => {
    await expect(loadRuntime(() => notFound('onnxruntime-common'))).rejects.toThrow(
      /does not load: Cannot find package 'onnxruntime-common'/,
    )
  })

  it('refuses a runtime that does not write where it is told to', async () => {
    await expect(openOrtDevice(settings, { load: withoutInPlaceOutputs })).rejects.toThrow(/does not write outputs into the memory/)
  })

  it('runs on the C API, whatever `worker` says, unless told otherwise', async () => {
    for (const [options, info] of [
      [{}, { driver: 'onnxruntime-c', worker: false, boundOutputs: true }],
      [{ worker: true }, { driver: 'onnxruntime-c', worker: false }],
      [{ driver: 'onnxruntime-node' }, { driver: 'onnxruntime-node', worker: true, boundOutputs: false }],
      [
        { driver: 'onnxruntime-node', worker: false },
        { driver: 'onnxruntime-node', worker: false },
      ],
    ] as const) {
      const device = await openDevice({ threads: 1, ...options })
      expect(device.info).toMatchObject(info)
      await device[Symbol.asyncDispose]()
    }
  })

  it('refuses a release whose functions lie elsewhere, before any is called', async () => {
    const opening = openOrtCDevice(settings, () => loadOrtCApi({ version: '1.29.0' }))
    await expect(opening).rejects.toThrow(/ONNX Runtime 1\.30\.0 was not tested with the C API driver/)
  })

  it('tells how to install koffi', async () => {
    await expect(withoutKoffi()).rejects.toThrow(KoffiMissingError)
    await expect(withoutKoffi()).rejects.toThrow(/koffi is not installed; npm install koffi@3\.3\.4/)
  })

  it('refuses a C API that does not do what it says, and leaves nothing of it', async () => {
    const { api, living } = await counting(forgetful)
    await expect(openOrtCDevice(settings, async () => api)).rejects.toThrow(RuntimeError)
    expect(living()).toBe(0)
  })

  it('falls back on the binding, with a warning where koffi is there in vain', async () => {
    const warned = vi.spyOn(process, 'emitWarning').mockImplementation(() => undefined)
    const binding = (): Promise<Device> => openDevice({ threads: 1, driver: 'onnxruntime-node', worker: false })
    for (const [open, warnings] of [
      [withoutKoffi, 0],
      [() => openOrtCDevice(settings, () => loadOrtCApi({ version: '1.29.0' })), 1],
    ] as const) {
      const device = await openBest(open as () => Promise<Device>, binding)
      expect(device.info.driver).toBe('onnxruntime-node')
      expect(warned).toHaveBeenCalledTimes(warnings)
      await device[Symbol.asyncDispose]()
    }
    expect(warned).toHaveBeenCalledWith(expect.stringMatching(/with copies: ONNX Runtime 1\.30\.0 was not tested/), {
      code: 'NEXTX_DRIVER',
    })
  })
})

function withoutKoffi(): Promise<OrtCApi> {
  return loadOrtCApi({ loadKoffi: () => notFound('koffi') })
}

/** The API, but a run does nothing and says that all went well. */
function forgetful(api: OrtCApi): OrtCApi {
  const nothing = Object.assign(() => null, { later: async () => null })
  return { ...api, functions: { ...api.functions, Run: nothing } }
}

describe('diagnose', () => {
  const works = { passed: true, landed: true, inPlace: true, ragged: true, boundCache: true }

  it('finds nothing wrong here', async () => {
    const diagnosis = await diagnose()
    expect(diagnosis.findings).toEqual([])
    expect(diagnosis.runtime).toMatchObject({ found: true, version: '1.30.0' })
    expect(diagnosis.runtime.found && diagnosis.runtime.providers).toContainEqual({ name: 'cpu', bundled: true })
    expect(diagnosis.selfTests.inProcess).toMatchObject({ ...works, device: { worker: false } })
    expect(diagnosis.selfTests.worker).toMatchObject({ ...works, device: { worker: true } })
    expect(diagnosis.selfTests.cApi).toMatchObject({ ...works, device: { driver: 'onnxruntime-c' } })
    expect(diagnosis.driver).toMatchObject({ name: 'onnxruntime-c' })
    expect(diagnosis.node.version).toBe(process.version)
    expect(diagnosis.machine.physicalCores).toBeLessThanOrEqual(diagnosis.machine.logicalCores)
    expect(structuredClone(diagnosis)).toEqual(diagnosis)
  })

  it('reports a runtime that is missing once, with the remedy', async () => {
    const { runtime, selfTests, findings } = await diagnose({ load: () => loadRuntime(() => notFound('onnxruntime-node')) })
    expect(runtime).toMatchObject({ found: false })
    expect(selfTests.inProcess).toMatchObject({ passed: false })
    expect(findings).toHaveLength(1)
    expect(findings[0]?.fix).toMatch(/npm install onnxruntime-node/)
  })

  it('reports a self-test that fails', async () => {
    const { findings } = await diagnose({ load: withoutInPlaceOutputs })
    expect(findings).toEqual([expect.objectContaining({ problem: expect.stringMatching(/self-test failed \(inProcess\)/) })])
  })

  it('advises koffi where it is missing, though all works without it', async () => {
    const { driver, selfTests, findings } = await diagnose({ loadC: withoutKoffi })
    expect(driver).toMatchObject({ name: 'onnxruntime-node', reason: expect.stringMatching(/koffi is not installed/) })
    expect(selfTests.cApi).toMatchObject({ passed: false, missing: true })
    expect(findings).toEqual([expect.objectContaining({ fix: 'npm install koffi@3.3.4', optional: true })])
  })

  it('reports a C API that fails its self-test', async () => {
    const { driver, findings } = await diagnose({ loadC: async () => forgetful(await loadOrtCApi()) })
    expect(driver).toMatchObject({ name: 'onnxruntime-node' })
    expect(findings).toEqual([expect.objectContaining({ problem: expect.stringMatching(/cApi/), optional: false })])
  })
})

it.each(['addition', 'cachedAttention'] as const)('the model of the self-test (%s) is the one that it says it is', (name) => {
  expect(selfTestModels[name]()).toEqual(selfTestBytes(name))
})

describe('physical cores', () => {
  const reader =
    (files: Record<string, string>) =>
    (path: string): string | undefined =>
      files[path]
  const siblings = '/sys/devices/system/cpu/cpu0/topology/thread_siblings_list'
  const quota = '/sys/fs/cgroup/cpu.max'

  it('are at least one, and no more than the logical ones or a container grants', () => {
    const all = physicalCores(reader({ [siblings]: '0' }))
    expect(physicalCores(reader({ [siblings]: '0,4' }))).toBe(Math.ceil(all / 2))
    expect(physicalCores(reader({ [siblings]: '0-3' }))).toBe(Math.ceil(all / 4))
    expect(physicalCores(reader({ [siblings]: '0', [quota]: '50000 100000' }))).toBe(1)
    expect(physicalCores(reader({ [siblings]: '0', [quota]: 'max 100000' }))).toBe(all)
    expect(physicalCores(reader({ [siblings]: 'nonsense', [quota]: '' }))).toBe(all)
  })
})
