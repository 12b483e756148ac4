import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import type { HostTensor } from '../../../src/base/dtype.ts'
import { RuntimeError } from '../../../src/base/errors.ts'
import type { Device, DeviceView } from '../../../src/platform/device.ts'
import { loadOrtCApi } from '../../../src/platform/ort-c-api.ts'
import { openOrtCDevice } from '../../../src/platform/ort-c-device.ts'
import { openOrtDevice } from '../../../src/platform/ort-device.ts'
import { loadRuntime } from '../../../src/platform/ort-runtime.ts'
import { type CountingApi, counting } from './counting-api.ts'
import { addition, identity, longRun, model, node, twoOutputs, value } from './models.ts'

const settings = { threads: 1, spinning: false }
const toHost = { kind: 'host' } as const
const float32 = (...numbers: number[]): HostTensor => ({
  dtype: 'float32',
  shape: [numbers.length],
  data: new Float32Array(numbers),
})

describe('the C API', () => {
  let counter: CountingApi
  let device: Device

  beforeEach(async () => {
    counter = await counting()
    device = await openOrtCDevice(settings, async () => counter.api)
  })

  afterEach(async () => {
    await device[Symbol.asyncDispose]()
    expect(counter.living()).toBe(0)
  })

  async function allocateView(...shape: number[]): Promise<DeviceView> {
    const buffer = await device.allocate(4 * shape.reduce((product, size) => product * size, 1))
    return { buffer, dtype: 'float32', shape, byteOffset: 0 }
  }

  it('lives on as much after two thousand runs as after one, failures among them', async () => {
    const session = await device.load(addition())
    const log = await allocateView(1, 8)
    const [x, z] = [
      { ...log, shape: [2] },
      { ...log, shape: [2], byteOffset: 8 },
    ]
    const round = async (i: number): Promise<void> => {
      const place = { ...z, byteOffset: 8 * (1 + (i % 3)) }
      await device.run(session, { x, y: float32(i, i) }, { z: { kind: 'view', view: place } })
      await device.run(session, { x: float32(i), y: float32(1) }, { z: toHost })
      await expect(device.run(session, { x, y: float32(1, 2, 3) }, { z: toHost })).rejects.toThrow(RuntimeError)
      const tooSmall = { ...z, shape: [1] }
      await expect(device.run(session, { x, y: x }, { z: { kind: 'view', view: tooSmall } })).rejects.toThrow(RuntimeError)
    }
    await round(0)
    const living = counter.living()
    for (let i = 0; i < 500; i++) await round(i)
    expect(counter.living()).toBe(living)
  })

  it('keeps nothing of a model that does not load', async () => {
    const living = counter.living()
    for (const bytes of [new Uint8Array(64).fill(255), addition().subarray(0, 40)])
      await expect(device.load(bytes)).rejects.toThrow(RuntimeError)
    const session = await device.load(addition())
    await device.unload(session)
    expect(counter.living()).toBe(living)
  })

  it('lets go of a view when its buffer is freed, and takes another in its place', async () => {
    const session = await device.load(identity('float32', 'n'))
    const living = counter.living()
    for (let i = 0; i < 3; i++) {
      const [from, to] = [await allocateView(2), await allocateView(2)]
      await device.write(from, new Float32Array([i, 1]))
      await device.run(session, { x: from }, { y: { kind: 'view', view: to } })
      expect(await device.read(to)).toEqual(new Float32Array([i, 1]))
      expect(counter.living()).toBe(living + 2)
      await Promise.all([device.free(from.buffer), device.free(to.buffer)])
      expect(counter.living()).toBe(living)
    }
  })

  it('notices when a view that it knows gets another shape or place', async () => {
    const session = await device.load(identity('float32', 'a', 'b'))
    const view = await allocateView(6)
    await device.write(view, new Float32Array([1, 2, 3, 4, 5, 6]))
    const shape = [2, 3]
    const run = async (byteOffset = 0): Promise<HostTensor | undefined> =>
      (await device.run(session, { x: { ...view, shape, byteOffset } }, { y: toHost })).y
    expect(await run()).toMatchObject({ shape: [2, 3], data: new Float32Array([1, 2, 3, 4, 5, 6]) })
    shape.splice(0, 2, 3, 2)
    expect(await run()).toMatchObject({ shape: [3, 2] })
    shape.splice(0, 2, 1, 2)
    expect(await run(8)).toMatchObject({ shape: [1, 2], data: new Float32Array([3, 4]) })
  })

  it('notices two outputs over the same bytes among views that it knows', async () => {
    const session = await device.load(twoOutputs())
    const view = await allocateView(4)
    const at = (first: number): { kind: 'view'; view: DeviceView } => ({
      kind: 'view',
      view: { ...view, shape: [2], byteOffset: 4 * first },
    })
    const x = float32(-1, 2)
    await device.run(session, { x }, { minus: at(0), plus: at(2) })
    await device.run(session, { x }, { plus: at(0) })
    await expect(device.run(session, { x }, { minus: at(0), plus: at(0) })).rejects.toThrow(/go to the same bytes/)
    await device.run(session, { x }, { minus: at(0), plus: at(2) })
    expect(await device.read(view)).toEqual(new Float32Array([1, -2, 1, 2]))
  })

  it('gives outputs memory of their own whether or not their shape was foretold', async () => {
    const session = await device.load(addition())
    const results = []
    for (let i = 0; i < 4; i++) results.push((await device.run(session, { x: float32(i, i), y: float32(1, 2) }, { z: toHost })).z)
    expect(results.map((z) => [...(z?.data ?? [])])).toEqual([0, 1, 2, 3].map((i) => [i + 1, i + 2]))
  })

  it('does not trust the names of dimensions where they mislead', async () => {
    const session = await device.load(addition())
    for (const count of [3, 1, 3, 2]) {
      const { z } = await device.run(session, { x: float32(1), y: float32(...new Array(count).fill(2)) }, { z: toHost })
      expect(z).toEqual(float32(...new Array(count).fill(3)))
    }
    const liar = await device.load(
      model({
        inputs: [value('x', 'float32', 'n'), value('y', 'float32', 'm')],
        outputs: [value('z', 'float32', 'n')],
        nodes: [node('Concat', ['x', 'y'], ['z'])].map((concat) => ({
          ...concat,
          attributes: { axis: { kind: 'int', value: 0 } as const },
        })),
      }),
    )
    for (let i = 0; i < 3; i++) {
      const { z } = await device.run(liar, { x: float32(1), y: float32(2, 3) }, { z: toHost })
      expect(z).toEqual(float32(1, 2, 3))
    }
  })

  it('runs models without inputs, and copies a constant into the view that it goes to', async () => {
    const constant = { name: 'c', dtype: 'float32', shape: [2], data: new Float32Array([7, 8]) } as const
    const session = await device.load(
      model({
        inputs: [],
        outputs: [value('c', 'float32', 2), value('minus', 'float32', 2)],
        nodes: [node('Neg', ['c'], ['minus'])],
        initializers: [constant],
      }),
    )
    const view = await allocateView(2)
    for (let i = 0; i < 3; i++) {
      const { c, minus } = await device.run(session, {}, { c: toHost, minus: toHost })
      expect([c, minus]).toEqual([float32(7, 8), float32(-7, -8)])
      c?.data.fill(0 as never)
      await device.run(session, {}, { c: { kind: 'view', view } })
      expect(await device.read(view)).toEqual(new Float32Array([7, 8]))
      await device.write(view, new Float32Array(2))
    }
  })

  it('takes memory only where it is written', async () => {
    const before = process.memoryUsage.rss()
    const buffer = await device.allocate(4 * 2 ** 30)
    const end: DeviceView = { buffer, dtype: 'float32', shape: [2], byteOffset: 4 * 2 ** 30 - 8 }
    const session = await device.load(identity('float32', 'n'))
    await device.run(session, { x: float32(5, 6) }, { y: { kind: 'view', view: end } })
    expect(await device.read(end)).toEqual(new Float32Array([5, 6]))
    expect(process.memoryUsage.rss() - before).toBeLessThan(256 * 2 ** 20)
  })

  it('waits for a run that is under way before it is gone', async () => {
    const session = await device.load(longRun(8))
    const x: HostTensor = { dtype: 'float32', shape: [300, 300], data: new Float32Array(90_000) }
    const run = device.run(session, { x }, { y: toHost }).catch((error: unknown) => error)
    await device[Symbol.asyncDispose]()
    expect(await run).toMatchObject({ code: 'disposed' })
  })
})

describe('a C API that cannot be used says why', () => {
  it('(no library)', async () => {
    const opening = openOrtCDevice(settings, () => loadOrtCApi({ library: () => '/nowhere/libonnxruntime.so.1' }))
    await expect(opening).rejects.toThrow(/library '\/nowhere\/libonnxruntime\.so\.1' does not load/)
  })

  it('(another part of the program left koffi too little stack)', async () => {
    const koffi = await import('koffi')
    const config = (given?: object): object => {
      if (given !== undefined) throw new Error('Cannot change Koffi configuration once a library has been loaded')
      return { sync_stack_size: 2 ** 21, async_stack_size: 2 ** 17 }
    }
    const opening = openOrtCDevice(settings, () => loadOrtCApi({ loadKoffi: async () => ({ ...koffi, config }) as typeof koffi }))
    await expect(opening).rejects.toThrow(/too little stack .* call koffi\.config\(/)
  })
})

it('the C API and the binding share one library in one process', async () => {
  const devices = [
    await openOrtCDevice(settings),
    await openOrtDevice(settings, { load: loadRuntime }),
    await openOrtCDevice(settings),
  ]
  const sums = devices.map(async (device, i) => {
    const session = await device.load(addition())
    return (await device.run(session, { x: float32(i), y: float32(1) }, { z: toHost })).z?.data[0]
  })
  expect(await Promise.all(sums)).toEqual([1, 2, 3])
  for (const device of devices) await device[Symbol.asyncDispose]()
})
