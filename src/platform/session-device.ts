import type { HostTensor, TypedArray } from '../base/dtype.ts'
import { DisposedError, DTypeError, OptionError, ShapeError } from '../base/errors.ts'
import { BufferTable } from './buffer-table.ts'
import type { BufferId, Device, DeviceInfo, DeviceMemory, DeviceView, Feed, Fetch, SessionId, SessionOptions } from './device.ts'
import { bytesOf, checkData, copyArray } from './host-tensor.ts'
import { Outgoing } from './outgoing.ts'
import type { DriverSession, SessionDriver } from './session-driver.ts'

/** What a device runs each call through; one call at a time. */
export type Around = <T>(task: () => T | Promise<T>) => T | Promise<T>

/** Buffers and sessions on one driver; calls are done one after another, in the order they were made. */
export class SessionDevice implements Device {
  readonly info: DeviceInfo
  readonly #driver: SessionDriver
  readonly #around: Around
  readonly #buffers = new BufferTable()
  readonly #sessions = new Map<SessionId, DriverSession>()
  #nextSession: SessionId = 1
  #tail: Promise<unknown> = Promise.resolve()
  #disposal: Promise<void> | undefined

  constructor(driver: SessionDriver, around: Around = (task) => task()) {
    this.info = driver.info
    this.#driver = driver
    this.#around = around
  }

  allocate(byteLength: number): Promise<BufferId> {
    return this.#inOrder(() => this.#buffers.allocate(byteLength))
  }

  free(buffer: BufferId): Promise<void> {
    return this.#inOrder(() => {
      this.#buffers.free(buffer)
      for (const session of this.#sessions.values()) session.forget(buffer)
    })
  }

  write(view: DeviceView, data: TypedArray): Promise<void> {
    const given = this.#driver.copiesArrays ? new Outgoing().array(data) : data
    return this.#inOrder(() => {
      const target = this.#buffers.window(view)
      checkData(given, view.dtype, target.length, 'data to write')
      bytesOf(target).set(bytesOf(given))
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
      const session = await this.#driver.load(model, options)
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
    const given = this.#driver.copiesArrays ? new Outgoing().feeds(feeds) : feeds
    return this.#inOrder(() => this.#session(session).run(given, fetches, this.#buffers))
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
    await this.#around(() => this.#driver.release())
  }

  #session(id: SessionId): DriverSession {
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
