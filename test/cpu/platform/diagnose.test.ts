import { describe, expect, it } from 'vitest'
import { OptionError, RuntimeError } from '../../../src/base/errors.ts'
import { decodeOnnx } from '../../../src/formats/onnx.ts'
import type { DeviceOptions } from '../../../src/platform/device.ts'
import { diagnose } from '../../../src/platform/diagnose.ts'
import { physicalCores } from '../../../src/platform/machine.ts'
import { openDevice } from '../../../src/platform/open-device.ts'
import { openOrtDevice } from '../../../src/platform/ort-device.ts'
import { loadRuntime, type OrtRuntime } from '../../../src/platform/ort-runtime.ts'
import { selfTestModel } from '../../../src/platform/self-test.ts'

const settings = { threads: 1, spinning: false }

function notFound(name: string): Promise<OrtRuntime> {
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
})

describe('diagnose', () => {
  it('finds nothing wrong here', async () => {
    const diagnosis = await diagnose()
    expect(diagnosis.findings).toEqual([])
    expect(diagnosis.runtime).toMatchObject({ found: true, version: '1.30.0' })
    expect(diagnosis.runtime.found && diagnosis.runtime.providers).toContainEqual({ name: 'cpu', bundled: true })
    expect(diagnosis.selfTests.inProcess).toMatchObject({ passed: true, landed: true, inPlace: true, device: { worker: false } })
    expect(diagnosis.selfTests.worker).toMatchObject({ passed: true, landed: true, inPlace: true, device: { worker: true } })
    expect(diagnosis.node.version).toBe(process.version)
    expect(diagnosis.machine.physicalCores).toBeLessThanOrEqual(diagnosis.machine.logicalCores)
    expect(structuredClone(diagnosis)).toEqual(diagnosis)
  })

  it('reports a runtime that is missing once, with the remedy', async () => {
    const { runtime, selfTests, findings } = await diagnose(() => loadRuntime(() => notFound('onnxruntime-node')))
    expect(runtime).toMatchObject({ found: false })
    expect(selfTests.inProcess).toMatchObject({ passed: false })
    expect(findings).toHaveLength(1)
    expect(findings[0]?.fix).toMatch(/npm install onnxruntime-node/)
  })

  it('reports a self-test that fails', async () => {
    const { findings } = await diagnose(withoutInPlaceOutputs)
    expect(findings).toEqual([expect.objectContaining({ problem: expect.stringMatching(/self-test failed \(inProcess\)/) })])
  })
})

it('the self-test model is the addition that it says it is', () => {
  const { irVersion, opsetImports, graph } = decodeOnnx(selfTestModel())
  const vector = (name: string) => ({ name, dtype: 'float32', shape: ['n'] })
  expect({ irVersion, opsetImports }).toEqual({ irVersion: 10, opsetImports: [{ domain: '', version: 21 }] })
  expect(graph).toMatchObject({
    nodes: [{ opType: 'Add', domain: '', inputs: ['x', 'y'], outputs: ['z'] }],
    inputs: [vector('x'), vector('y')],
    outputs: [vector('z')],
    initializers: [],
  })
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
