import type { HostTensor, TypedArray } from '../base/dtype.ts'
import { DisposedError, DTypeError, OptionError, RuntimeError, ShapeError } from '../base/errors.ts'
import { BufferTable } from './buffer-table.ts'
import type {
  BufferId,
  Device,
  DeviceInfo,
  DeviceMemory,
  DeviceView,
  DriverName,
  Feed,
  Fetch,
  SessionId,
  SessionOptions,
} from './device.ts'
import { bytesOf, checkData, copyArray } from './host-tensor.ts'
import { type OrtApi, runtimeVersion, testedRuntimeVersion } from './ort-api.ts'
import { OrtSession, type SessionSettings } from './ort-session.ts'
import { runSelfTest } from './self-test.ts'

/** What a device runs each call through; one call at a time. */
export type Around = <T>(task: () => T | Promise<T>) => T | Promise<T>

export interface OrtDeviceParts {
  readonly load: () => Promise<OrtApi>
  /** The package that `load` loads; onnxruntime-node unless said. */
  readonly driver?: DriverName
  readonly around?: Around
}

/**
 * A device on the calling thread: a run holds up the event loop until it is done.
 * @throws RuntimeError when the package is missing, does not load, or does not put results where it is told to.
 */
export async function openOrtDevice(settings: SessionSettings, parts: OrtDeviceParts): Promise<Device> {
  const { load, driver = 'onnxruntime-node', around = (task) => task() } = parts
  const device = new OrtDevice(driver, await load(), settings, around)
  const { inPlace, landed } = await runSelfTest(device)
  if (inPlace && landed) return device
  await device[Symbol.asyncDispose]()
  throw new RuntimeError(`${driver} ${device.info.version} does not write outputs into the memory it is given`, {
    expected: `the behaviour of ${testedRuntimeVersion}`,
    fix: `npm install ${driver}@${testedRuntimeVersion}`,
  })
}

class OrtDevice implements Device {
  readonly info: DeviceInfo
  readonly #runtime: OrtApi
  readonly #settings: SessionSettings
  readonly #around: Around
  readonly #buffers = new BufferTable()
  readonly #sessions = new Map<SessionId, OrtSession>()
  #nextSession: SessionId = 1
  #tail: Promise<unknown> = Promise.resolve()
  #disposal: Promise<void> | undefined

  constructor(driver: DriverName, runtime: OrtApi, settings: SessionSettings, around: Around) {
    this.#runtime = runtime
    this.#settings = settings
    this.#around = around
    const version = runtimeVersion(runtime)
    this.info = { driver, version, threads: settings.threads, worker: false, boundOutputs: false }
  }

  allocate(byteLength: number): Promise<BufferId> {
    return this.#inOrder(() => this.#buffers.allocate(byteLength))
  }

  free(buffer: BufferId): Promise<void> {
    return this.#inOrder(() => this.#buffers.free(buffer))
  }

  write(view: DeviceView, data: TypedArray): Promise<void> {
    return this.#inOrder(() => {
      const target = this.#buffers.window(view)
      checkData(data, view.dtype, target.length, 'data to write')
      bytesOf(target).set(bytesOf(data))
    })
  }

  read(view: DeviceView): Promise<TypedArray> {
    return this.#inOrder(() => {
      const source = this.#buffers.window(view)
      return copyArray(view.dtype, source)
    })
  }

  copy(from: DeviceView, to: DeviceView): Promise<void> {
    return this.#inOrder(() => {
      const [source, target] = [this.#buffers.window(from), this.#buffers.window(to)]
      if (from.dtype !== to.dtype) throw new DTypeError(`cannot copy ${from.dtype} to ${to.dtype}`)
      if (source.length !== target.length) throw new ShapeError(`cannot copy ${source.length} elements over ${target.length}`)
      bytesOf(target).set(bytesOf(source))
    })
  }

  load(model: Uint8Array, options: SessionOptions = {}): Promise<SessionId> {
    return this.#inOrder(async () => {
      const session = await OrtSession.create(this.#runtime, model, this.#settings, options)
      const id = this.#nextSession++
      this.#sessions.set(id, session)
      return id
    })
  }

  unload(id: SessionId): Promise<void> {
    return this.#inOrder(async () => {
      const session = this.#session(id)
      this.#sessions.delete(id)
      await session.release()
    })
  }

  run(
    session: SessionId,
    feeds: Readonly<Record<string, Feed>>,
    fetches: Readonly<Record<string, Fetch>>,
  ): Promise<Record<string, HostTensor>> {
    return this.#inOrder(() => this.#session(session).run(feeds, fetches, this.#buffers))
  }

  memory(): Promise<DeviceMemory> {
    return this.#inOrder(() => ({ buffers: this.#buffers.count, bytes: this.#buffers.bytes, sessions: this.#sessions.size }))
  }

  [Symbol.asyncDispose](): Promise<void> {
    this.#disposal ??= this.#tail.then(() => this.#release())
    return this.#disposal
  }

  /** Sessions are released one by one before the process may end: on macOS ONNX Runtime can crash at exit otherwise. */
  async #release(): Promise<void> {
    const sessions = [...this.#sessions.values()]
    this.#sessions.clear()
    this.#buffers.clear()
    for (const session of sessions) await this.#around(() => session.release())
  }

  #session(id: SessionId): OrtSession {
    const session = this.#sessions.get(id)
    if (session !== undefined) return session
    if (Number.isSafeInteger(id) && id > 0 && id < this.#nextSession) throw new DisposedError(`session ${id} was unloaded`)
    throw new OptionError(`no session ${String(id)} on this device`, { expected: 'an id that this device gave out' })
  }

  #inOrder<T>(task: () => T | Promise<T>): Promise<T> {
    const answer = this.#tail.then(async () => {
      this.#refuseIfDisposed()
      const value = await this.#around(task)
      this.#refuseIfDisposed()
      return value
    })
    this.#tail = answer.catch(() => undefined)
    return answer
  }

  #refuseIfDisposed(): void {
    if (this.#disposal !== undefined) throw new DisposedError('the device was disposed')
  }
}
