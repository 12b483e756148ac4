import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { type ArrayOf, arrayTypes, bytesPerElement, type DType, elementCount, type HostTensor } from '../../../src/base/dtype.ts'
import { DisposedError, DTypeError, OptionError, RuntimeError, ShapeError } from '../../../src/base/errors.ts'
import type { BufferId, Device, DeviceView, Feed, Fetch } from '../../../src/platform/device.ts'
import { openDevice } from '../../../src/platform/open-device.ts'
import { openDevice as openWebDevice } from '../../../src/platform/web-open-device.ts'
import { addition, externalBias, identity, longRun, twoOutputs } from './models.ts'

const float32 = (...numbers: number[]): HostTensor => ({
  dtype: 'float32',
  shape: [numbers.length],
  data: new Float32Array(numbers),
})
const toHost: Fetch = { kind: 'host' }
const toView = (view: DeviceView): Fetch => ({ kind: 'view', view })

describe.each([
  { name: 'onnxruntime-c', driver: 'onnxruntime-c', worker: false },
  { name: 'onnxruntime-node', driver: 'onnxruntime-node', worker: false },
  { name: 'onnxruntime-node in a worker', driver: 'onnxruntime-node', worker: true },
  // Its WebAssembly runs in Node, too; what a browser does differently is in test/web.
  { name: 'onnxruntime-web', driver: 'onnxruntime-web', worker: false },
] as const)('$name', ({ driver, worker }) => {
  const isWeb = driver === 'onnxruntime-web'
  const open = (): Promise<Device> => (isWeb ? openWebDevice : openDevice)({ driver, worker, threads: 1 })
  let device: Device

  beforeAll(async () => {
    device = await open()
  })

  afterAll(() => device[Symbol.asyncDispose]())

  it('says what it is, and begins with nothing', async () => {
    expect(device.info).toEqual({ driver, version: '1.30.0', threads: 1, worker, boundOutputs: driver === 'onnxruntime-c' })
    expect(await device.memory()).toEqual({ buffers: 0, bytes: 0, sessions: 0 })
  })

  async function allocateView(dtype: DType, ...shape: number[]): Promise<DeviceView> {
    const buffer = await device.allocate(elementCount(shape) * bytesPerElement[dtype])
    return { buffer, dtype, shape, byteOffset: 0 }
  }

  async function filled(...numbers: number[]): Promise<DeviceView> {
    const view = await allocateView('float32', numbers.length)
    await device.write(view, new Float32Array(numbers))
    return view
  }

  describe('buffers', () => {
    it('start as zeros and count as memory until they are freed', async () => {
      const before = await device.memory()
      const buffer = await device.allocate(12)
      expect(await device.read({ buffer, dtype: 'int32', shape: [3], byteOffset: 0 })).toEqual(new Int32Array(3))
      expect(await device.memory()).toEqual({ ...before, buffers: before.buffers + 1, bytes: before.bytes + 12 })
      await device.free(buffer)
      expect(await device.memory()).toEqual(before)
    })

    it('may be empty', async () => {
      const view = await allocateView('float32', 0, 4)
      await device.write(view, new Float32Array(0))
      expect(await device.read(view)).toEqual(new Float32Array(0))
    })

    it.each<[DType, number | bigint]>([
      ['float32', 1.5],
      ['float64', 2.5],
      ['float16', 0x3c00],
      ['bfloat16', 0x3f80],
      ['int32', -3],
      ['int64', -(2n ** 40n)],
      ['uint8', 200],
      ['bool', 1],
    ])('read what was written at an offset (%s)', async (dtype, number) => {
      const size = bytesPerElement[dtype]
      const buffer = await device.allocate(4 * size)
      const data = arrayOf(dtype, [number, number])
      await device.write({ buffer, dtype, shape: [2], byteOffset: 2 * size }, data)
      const all = await device.read({ buffer, dtype, shape: [2, 2], byteOffset: 0 })
      expect(all).toEqual(arrayOf(dtype, dtype === 'int64' ? [0n, 0n, number, number] : [0, 0, number, number]))
      expect(data).toHaveLength(2)
    })

    it('keep a written array and a read array apart from the device', async () => {
      const data = new Float32Array([1, 2])
      const view = await filled(0, 0)
      await device.write(view, data)
      data[0] = 9
      const read = await device.read(view)
      read[1] = 9
      expect(await device.read(view)).toEqual(new Float32Array([1, 2]))
    })

    it('take a window on a longer array, on a pooled Buffer and on shared memory', async () => {
      const view = await filled(0, 0)
      await device.write(view, new Float32Array([7, 1, 2, 7]).subarray(1, 3))
      expect(await device.read(view)).toEqual(new Float32Array([1, 2]))
      const bytes = await allocateView('uint8', 2)
      await device.write(bytes, Buffer.from('hi'))
      expect(await device.read(bytes)).toEqual(new Uint8Array([104, 105]))
      await device.write(view, new Float32Array(new SharedArrayBuffer(8)).fill(5))
      expect(await device.read(view)).toEqual(new Float32Array([5, 5]))
    })

    it('copy over an overlapping place as if at once', async () => {
      const view = await filled(1, 2, 3, 4, 5)
      await device.copy({ ...view, shape: [4] }, { ...view, shape: [2, 2], byteOffset: 4 })
      expect(await device.read(view)).toEqual(new Float32Array([1, 1, 2, 3, 4]))
    })
  })

  describe('run', () => {
    it('takes host tensors and gives one back that is safe to keep', async () => {
      const session = await device.load(addition())
      const first = await device.run(session, { x: float32(1, 2), y: float32(10, 20) }, { z: toHost })
      await device.run(session, { x: float32(5, 5), y: float32(5, 5) }, { z: toHost })
      expect(first).toEqual({ z: float32(11, 22) })
    })

    it('leaves the fed arrays with the caller', async () => {
      const session = await device.load(addition())
      const x = float32(1, 2)
      await device.run(session, { x, y: x }, { z: toHost })
      expect(x.data).toEqual(new Float32Array([1, 2]))
    })

    it('gives only the outputs that are asked for, each under its own name', async () => {
      const session = await device.load(twoOutputs())
      expect(await device.run(session, { x: float32(-3) }, { plus: toHost })).toEqual({ plus: float32(3) })
      expect(await device.run(session, { x: float32(-3) }, { plus: toHost, minus: toHost })).toEqual({
        plus: float32(3),
        minus: float32(3),
      })
    })

    it('reads and writes views and touches nothing around them', async () => {
      const session = await device.load(addition())
      const all = await filled(1, 2, 3, 4, 9, 9, 9, 9)
      const part = (first: number): DeviceView => ({ ...all, shape: [2], byteOffset: 4 * first })
      expect(await device.run(session, { x: part(0), y: part(2) }, { z: toView(part(5)) })).toEqual({})
      expect(await device.read(all)).toEqual(new Float32Array([1, 2, 3, 4, 9, 4, 6, 9]))
    })

    it('writes over the view that it reads', async () => {
      const session = await device.load(addition())
      const x = await filled(1, 2)
      await device.run(session, { x, y: float32(10, 20) }, { z: toView(x) })
      await device.run(session, { x, y: x }, { z: toView(x) })
      expect(await device.read(x)).toEqual(new Float32Array([22, 44]))
    })

    it('does not keep what a view got from an earlier run', async () => {
      const session = await device.load(addition())
      const [x, z] = [await filled(1, 2), await filled(0, 0)]
      const { z: kept } = await device.run(session, { x, y: x }, { z: toHost })
      await device.write(x, new Float32Array([3, 4]))
      await device.run(session, { x, y: x }, { z: toView(z) })
      expect(kept?.data).toEqual(new Float32Array([2, 4]))
      expect(await device.read(z)).toEqual(new Float32Array([6, 8]))
    })

    it.each<[DType, (number | bigint)[]]>([
      ['float32', [1.5, -2]],
      ['float64', [1.5, -2]],
      ['float16', [0x3e00, 0xc000]],
      ['int32', [7, -7]],
      ['int64', [2n ** 62n, -1n]],
      ['uint8', [0, 255]],
      ['bool', [1, 0]],
      ...(driver === 'onnxruntime-c'
        ? ([['bfloat16', [0x3fc0, 0xc000]]] as const).map(([d, n]): [DType, number[]] => [d, [...n]])
        : []),
    ])('carries %s from host and view to host and view', async (dtype, numbers) => {
      const session = await device.load(identity(dtype, 'n'))
      const host: HostTensor = { dtype, shape: [2], data: arrayOf(dtype, numbers) }
      const [from, to] = [await allocateView(dtype, 2), await allocateView(dtype, 2)]
      await device.write(from, host.data)
      expect(await device.run(session, { x: host }, { y: toHost })).toEqual({ y: host })
      expect(await device.run(session, { x: from }, { y: toHost })).toEqual({ y: host })
      await device.run(session, { x: from }, { y: toView(to) })
      expect(await device.read(to)).toEqual(host.data)
    })

    it('carries scalars and empty tensors', async () => {
      const scalar: HostTensor = { dtype: 'int64', shape: [], data: new BigInt64Array([5n]) }
      expect(await device.run(await device.load(identity('int64')), { x: scalar }, { y: toHost })).toEqual({ y: scalar })
      const empty: HostTensor = { dtype: 'float32', shape: [0, 3], data: new Float32Array(0) }
      const session = await device.load(identity('float32', 'n', 3))
      expect(await device.run(session, { x: empty }, { y: toHost })).toEqual({ y: empty })
      await device.run(session, { x: empty }, { y: toView(await allocateView('float32', 0, 3)) })
    })

    it('loads weights from external data in memory', async () => {
      const externalData = { 'weights.bin': new Uint8Array(new Float32Array([10, 20]).buffer) }
      const session = await device.load(externalBias('weights.bin', 2), { externalData })
      expect(await device.run(session, { x: float32(1, 2) }, { y: toHost })).toEqual({ y: float32(11, 22) })
      expect(externalData['weights.bin']).toHaveLength(8)
    })

    it.skipIf(isWeb)('loads weights from a folder, but for those in memory (skipped where there are no folders)', async () => {
      const folder = await mkdtemp(join(tmpdir(), 'nextx-weights-'))
      await writeFile(join(folder, 'weights.bin'), new Float32Array([10, 20]))
      const model = externalBias('weights.bin', 2)
      const [fromFolder, fromMemory] = [
        await device.load(model, { externalFolder: folder }),
        await device.load(model, {
          externalFolder: folder,
          externalData: { 'weights.bin': new Uint8Array(new Float32Array([30, 40]).buffer) },
        }),
      ]
      expect(await device.run(fromFolder, { x: float32(1, 2) }, { y: toHost })).toEqual({ y: float32(11, 22) })
      expect(await device.run(fromMemory, { x: float32(1, 2) }, { y: toHost })).toEqual({ y: float32(31, 42) })
      await Promise.all([device.unload(fromFolder), device.unload(fromMemory)])
      await rm(folder, { recursive: true })
    })

    it('accepts every optimization level', async () => {
      for (const optimization of ['disabled', 'basic', 'extended', 'all'] as const) {
        const session = await device.load(addition(), { optimization })
        expect(await device.run(session, { x: float32(1), y: float32(2) }, { z: toHost })).toEqual({ z: float32(3) })
      }
    })
  })

  describe('rows', () => {
    // [batch, head, row, feature] with rows along axis 2, as in a cache of keys; [batch, row, feature]; [batch, row]
    it.each([
      { from: [3, 2, 4, 5], to: [3, 2, 6, 5], axis: 2 },
      { from: [3, 4, 5], to: [3, 6, 5], axis: 1 },
      { from: [3, 4], to: [3, 6], axis: 1 },
      { from: [3, 2, 2, 4], to: [3, 2, 2, 6], axis: 3 },
    ])('lie where a copy element by element puts them: $from into $to', async ({ from, to, axis }) => {
      const [starts, counts] = [
        [0, 2, 5],
        [4, 3, 0],
      ]
      const value = numbersOf(from, (i) => i + 1)
      const before = numbersOf(to, (i) => -i)
      const session = await device.load(identity('float32', ...from.map((_, i) => `d${i}`)))
      const view = await allocateView('float32', ...to)
      await device.write(view, before)
      await device.run(
        session,
        { x: { dtype: 'float32', shape: from, data: value } },
        { y: { kind: 'rows', view, axis, starts, counts } },
      )
      expect(await device.read(view)).toEqual(rowsOneByOne({ value, from, before, to, axis, starts, counts }))
    })

    it('are written after the run has read the view', async () => {
      const session = await device.load(addition())
      const view = await filled(1, 2, 3)
      const square = await device.load(identity('float32', 1, 3))
      const cache: DeviceView = { ...view, shape: [1, 3] }
      await device.run(
        square,
        { x: cache },
        { y: { kind: 'rows', view: cache, axis: 1, starts: new Int32Array([1]), counts: [2] } },
      )
      expect(await device.read(view)).toEqual(new Float32Array([1, 1, 2]))
      await device.unload(session)
    })

    it.each<[string, object, new (...args: never[]) => Error]>([
      ['the first axis', { axis: 0 }, OptionError],
      ['an axis beyond the shape', { axis: 2 }, OptionError],
      ['a negative start', { starts: [-1, 0] }, OptionError],
      ['a start that is no integer', { starts: [0.5, 0] }, OptionError],
      ['rows beyond the view', { starts: [0, 3] }, OptionError],
      ['too few starts', { starts: [0] }, ShapeError],
      ['too few counts', { counts: [1] }, ShapeError],
      ['more rows than the output has', { counts: [1, 3] }, ShapeError],
      ['a view of another batch', { view: { shape: [1, 8] }, starts: [0], counts: [1] }, ShapeError],
      ['a view of another dtype', { view: { dtype: 'int32' } }, DTypeError],
    ])('refuse %s and write nothing', async (_, change, type) => {
      const session = await device.load(identity('float32', 'a', 'b'))
      const view = await allocateView('float32', 2, 4)
      const fetch = {
        kind: 'rows',
        axis: 1,
        starts: [0, 0],
        counts: [2, 2],
        ...change,
        view: { ...view, ...('view' in change ? (change.view as object) : {}) },
      }
      const x: HostTensor = { dtype: 'float32', shape: [2, 2], data: new Float32Array(4).fill(1) }
      await expect(device.run(session, { x }, { y: fetch as Fetch })).rejects.toThrow(type)
      expect(await device.read(view)).toEqual(new Float32Array(8))
    })
  })

  describe('refuses', () => {
    let session: number
    let view: DeviceView

    beforeEach(async () => {
      session = await device.load(addition())
      view = await filled(1, 2)
    })

    const run = (feeds: Record<string, unknown>, fetches: Record<string, unknown>): Promise<unknown> =>
      device.run(session, feeds as Record<string, Feed>, fetches as Record<string, Fetch>)

    it.each<[string, () => Promise<unknown>, new (...args: never[]) => Error]>([
      ['a negative size', () => device.allocate(-1), OptionError],
      ['a size that is no integer', () => device.allocate(1.5), OptionError],
      ['more memory than there is', () => device.allocate(2 ** 52), RuntimeError],
      ['an unknown buffer', () => device.read({ ...view, buffer: 99 }), OptionError],
      ['a buffer that is no id', () => device.free('1' as unknown as BufferId), OptionError],
      ['a view that is none', () => device.read(null as unknown as DeviceView), OptionError],
      ['a view beyond its buffer', () => device.read({ ...view, shape: [3] }), ShapeError],
      ['a view that begins beyond its buffer', () => device.read({ ...view, shape: [0], byteOffset: 12 }), ShapeError],
      ['a view of a huge shape', () => device.read({ ...view, shape: [2 ** 40, 2 ** 40] }), ShapeError],
      ['a view of a negative size', () => device.read({ ...view, shape: [-1] }), ShapeError],
      ['a view between elements', () => device.read({ ...view, shape: [1], byteOffset: 2 }), OptionError],
      ['a view at a negative offset', () => device.read({ ...view, byteOffset: -4 }), OptionError],
      ['an unknown dtype', () => device.read({ ...view, dtype: 'int4' as DType }), DTypeError],
      ['an inherited name as dtype', () => device.read({ ...view, dtype: 'constructor' as DType }), DTypeError],
      ['data of another type', () => device.write(view, new Int32Array(2)), DTypeError],
      ['data of another length', () => device.write(view, new Float32Array(3)), ShapeError],
      ['a copy to another dtype', () => device.copy(view, { ...view, dtype: 'int32' }), DTypeError],
      ['a copy to another size', () => device.copy(view, { ...view, shape: [1] }), ShapeError],
      ['an unknown session', () => device.run(99, {}, { z: toHost }), OptionError],
      ['an empty model', () => device.load(new Uint8Array(0)), OptionError],
      ['a model that is no model', () => device.load(new Uint8Array(64).fill(255)), RuntimeError],
      ['a truncated model', () => device.load(addition().subarray(0, 40)), RuntimeError],
      ['a model without its external data', () => device.load(externalBias('missing.bin', 2)), RuntimeError],
      [
        'external data that is too short',
        () => device.load(externalBias('w', 2), { externalData: { w: new Uint8Array(4) } }),
        RuntimeError,
      ],
      [
        'external data that is no bytes',
        () => device.load(externalBias('w', 2), { externalData: { w: 'x' as unknown as Uint8Array } }),
        OptionError,
      ],
      [
        'a folder that has not the file',
        () => device.load(externalBias('missing.bin', 2), { externalFolder: tmpdir() }),
        isWeb ? OptionError : RuntimeError,
      ],
      ['a folder that is none', () => device.load(addition(), { externalFolder: 'a\0b' }), OptionError],
      ['an unknown session option', () => device.load(addition(), { threads: 1 } as object), OptionError],
      ['an unknown optimization', () => device.load(addition(), { optimization: 'most' as 'all' }), OptionError],
      ['a missing feed', () => run({ x: float32(1) }, { z: toHost }), OptionError],
      ['an unknown feed', () => run({ x: float32(1), y: float32(1), q: float32(1) }, { z: toHost }), OptionError],
      ['a feed that is none', () => run({ x: null, y: float32(1) }, { z: toHost }), OptionError],
      [
        'a feed of another dtype',
        () => run({ x: { dtype: 'int32', shape: [1], data: new Int32Array(1) }, y: float32(1) }, { z: toHost }),
        DTypeError,
      ],
      ['a feed of another rank', () => run({ x: { ...float32(1), shape: [1, 1] }, y: float32(1) }, { z: toHost }), ShapeError],
      [
        'a feed whose data and shape differ',
        () => run({ x: { ...float32(1), shape: [2] }, y: float32(1) }, { z: toHost }),
        ShapeError,
      ],
      [
        'a feed whose data and dtype differ',
        () => run({ x: { ...float32(1), data: new Int32Array(1) }, y: float32(1) }, { z: toHost }),
        DTypeError,
      ],
      ['feeds that do not broadcast', () => run({ x: float32(1, 2), y: float32(1, 2, 3) }, { z: toHost }), RuntimeError],
      ['no fetch at all', () => run({ x: float32(1), y: float32(1) }, {}), OptionError],
      ['an unknown fetch', () => run({ x: float32(1), y: float32(1) }, { q: toHost }), OptionError],
      ['a fetch of an inherited name', () => run({ x: float32(1), y: float32(1) }, { toString: toHost }), OptionError],
      ['a fetch of an unknown kind', () => run({ x: float32(1), y: float32(1) }, { z: { kind: 'disk' } }), OptionError],
      ['a fetch that is none', () => run({ x: float32(1), y: float32(1) }, { z: null }), OptionError],
      [
        'a fetch into a view of another dtype',
        () => run({ x: view, y: view }, { z: toView({ ...view, dtype: 'int32' }) }),
        DTypeError,
      ],
      [
        'a fetch into a view of another rank',
        () => run({ x: view, y: view }, { z: toView({ ...view, shape: [1, 2] }) }),
        ShapeError,
      ],
      ['a fetch into a smaller view', () => run({ x: view, y: view }, { z: toView({ ...view, shape: [1] }) }), RuntimeError],
    ])('%s, and goes on', async (_, call, type) => {
      const error = await call().then(
        () => undefined,
        (reason: unknown) => reason,
      )
      expect(error).toBeInstanceOf(type)
      expect((error as Error).name).toBe(type.name)
      expect(await device.run(session, { x: view, y: view }, { z: toHost })).toEqual({ z: float32(2, 4) })
    })

    it('two outputs over the same bytes', async () => {
      const two = await device.load(twoOutputs())
      const part = { ...view, shape: [1] }
      const both = (other: DeviceView): Promise<unknown> =>
        device.run(two, { x: float32(-3) }, { minus: toView(part), plus: toView(other) })
      await expect(both(part)).rejects.toThrow(OptionError)
      await both({ ...part, byteOffset: 4 })
      expect(await device.read(view)).toEqual(new Float32Array([3, 3]))
    })

    it('a freed buffer and an unloaded session', async () => {
      await device.free(view.buffer)
      await expect(device.read(view)).rejects.toThrow(DisposedError)
      await expect(device.free(view.buffer)).rejects.toThrow(DisposedError)
      await device.unload(session)
      await expect(device.run(session, {}, { z: toHost })).rejects.toThrow(DisposedError)
      await expect(device.unload(session)).rejects.toThrow(DisposedError)
    })

    it.runIf(driver === 'onnxruntime-node')('bfloat16, which the binding has no tensors of', async () => {
      await expect(device.load(identity('bfloat16', 'n'))).rejects.toThrow(RuntimeError)
    })

    it("names ONNX Runtime's own reason", async () => {
      await expect(device.load(new Uint8Array(64).fill(255))).rejects.toThrow(/protobuf parsing failed/)
      await expect(device.run(session, { x: float32(1, 2), y: float32(1, 2, 3) }, { z: toHost })).rejects.toThrow(/broadcast/)
    })
  })

  describe('order', () => {
    it('answers calls in the order they were made, failures among them', async () => {
      const settled: string[] = []
      const note = (name: string, call: Promise<unknown>): Promise<unknown> =>
        call.then(
          () => settled.push(name),
          () => settled.push(name),
        )
      const session = await device.load(addition())
      const view = await filled(1, 1)
      await Promise.all([
        note('run', device.run(session, { x: view, y: view }, { z: toView(view) })),
        note('read', device.read(view)),
        note('failure', device.run(session, {}, { z: toHost })),
        note('load', device.load(addition())),
        note('write', device.write(view, new Float32Array(2))),
        note('unknown buffer', device.free(99)),
        note('memory', device.memory()),
      ])
      expect(settled).toEqual(['run', 'read', 'failure', 'load', 'write', 'unknown buffer', 'memory'])
    })

    it('lets every call see what the earlier ones did', async () => {
      const session = await device.load(addition())
      const view = await filled(1, 1)
      const reads = Array.from({ length: 20 }, async () => {
        await device.run(session, { x: view, y: view }, { z: toView(view) }).catch(() => undefined)
      })
      await Promise.all(reads)
      expect(await device.read(view)).toEqual(new Float32Array([2 ** 20, 2 ** 20]))
    })
  })

  describe('disposal', () => {
    it('may happen twice, and refuses what comes later', async () => {
      const doomed = await open()
      const buffer = await doomed.allocate(4)
      await Promise.all([doomed[Symbol.asyncDispose](), doomed[Symbol.asyncDispose]()])
      await doomed[Symbol.asyncDispose]()
      await expect(doomed.free(buffer)).rejects.toThrow(DisposedError)
      await expect(doomed.allocate(1)).rejects.toThrow(DisposedError)
      await expect(doomed.memory()).rejects.toThrow(DisposedError)
    })

    it('refuses what is pending', async () => {
      const doomed = await open()
      const session = await doomed.load(longRun(4))
      const x: HostTensor = { dtype: 'float32', shape: [200, 200], data: new Float32Array(40_000) }
      const outcomes = Promise.allSettled([doomed.run(session, { x }, { y: toHost }), doomed.allocate(4), doomed.load(addition())])
      await doomed[Symbol.asyncDispose]()
      for (const outcome of await outcomes) expect(outcome).toMatchObject({ status: 'rejected', reason: { code: 'disposed' } })
    })

    it('leaves nothing behind, however often', async () => {
      for (let round = 0; round < 30; round++) {
        const other = await open()
        const session = await other.load(addition())
        const buffer = await other.allocate(4)
        const view: DeviceView = { buffer, dtype: 'float32', shape: [1], byteOffset: 0 }
        await other.run(session, { x: float32(round), y: float32(1) }, { z: toView(view) })
        expect(await other.read(view)).toEqual(new Float32Array([round + 1]))
        await other.unload(session)
        await other.free(buffer)
        expect(await other.memory()).toEqual({ buffers: 0, bytes: 0, sessions: 0 })
        await other[Symbol.asyncDispose]()
      }
    })
  })
})

function arrayOf<D extends DType>(dtype: D, numbers: readonly (number | bigint)[]): ArrayOf<D> {
  const array = new arrayTypes[dtype](numbers.length)
  for (const [i, number] of numbers.entries()) array[i] = number
  return array
}

function numbersOf(shape: readonly number[], of: (index: number) => number): Float32Array {
  return new Float32Array(elementCount(shape)).map((_, i) => of(i))
}

interface RowsCase {
  value: Float32Array
  from: readonly number[]
  before: Float32Array
  to: readonly number[]
  axis: number
  starts: readonly number[]
  counts: readonly number[]
}

/** The definition of a rows fetch, one element at a time. */
function rowsOneByOne({ value, from, before, to, axis, starts, counts }: RowsCase): Float32Array {
  const after = before.slice()
  for (let index = 0; index < value.length; index++) {
    const position = coordinates(index, from)
    const [b, row] = [position[0]!, position[axis]!]
    if (row >= counts[b]!) continue
    const target = position.with(axis, starts[b]! + row)
    after[target.reduce((offset, i, d) => offset * to[d]! + i, 0)] = value[index]!
  }
  return after
}

function coordinates(index: number, shape: readonly number[]): number[] {
  let rest = index
  return shape
    .map((_, d) => shape.slice(d + 1).reduce((a, b) => a * b, 1))
    .map((stride) => {
      const position = Math.floor(rest / stride)
      rest %= stride
      return position
    })
}
