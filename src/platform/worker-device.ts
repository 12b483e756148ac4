import { createRequire } from 'node:module'
import { Worker } from 'node:worker_threads'
import type { HostTensor, TypedArray } from '../base/dtype.ts'
import { DisposedError, OptionError, RuntimeError } from '../base/errors.ts'
import type { BufferId, Device, DeviceInfo, DeviceMemory, DeviceView, Feed, Fetch, SessionId, SessionOptions } from './device.ts'
import { unpackError } from './error-border.ts'
import { ExitGate } from './exit-gate.ts'
import { messageOf } from './ort-api.ts'
import { Outgoing } from './outgoing.ts'
import { silenceRuntime } from './runtime-telemetry.ts'
import type { SessionSettings } from './session-driver.ts'
import {
  type Answer,
  type Arguments,
  type Method,
  type Opening,
  openingId,
  type Reply,
  type WorkerSettings,
} from './worker-protocol.ts'

interface Waiter {
  readonly resolve: (value: unknown) => void
  readonly reject: (error: unknown) => void
}

/**
 * A device in a worker thread: the event loop stays free during a run. The worker keeps the process alive only while a call is
 * unanswered.
 * @throws RuntimeError when the worker's file is not built, or the runtime is missing or does not load.
 */
export async function openWorkerDevice(settings: SessionSettings, entry: string = workerEntry()): Promise<Device> {
  silenceRuntime()
  // Flags of the parent (loaders, inspectors) are not for the worker, which is plain built JavaScript.
  const gate = new ExitGate()
  const workerData: WorkerSettings = { ...settings, gate: gate.memory }
  const connection = new Connection(new Worker(entry, { name: 'nextx-ort', workerData, execArgv: [] }), gate)
  const info = (await connection.opening) as Opening
  return new WorkerDevice(connection, { ...info, worker: true })
}

/** @throws RuntimeError when the package was not built, or was bundled without its worker. */
export function workerEntry(): string {
  try {
    return createRequire(import.meta.url).resolve('#ort-worker')
  } catch (cause) {
    throw new RuntimeError("the worker's file is missing", {
      expected: 'dist/platform/ort-worker.js of the nextx package',
      fix: 'run `npm run build`, or open the device with { worker: false }',
      cause,
    })
  }
}

class WorkerDevice implements Device {
  readonly info: DeviceInfo
  readonly #connection: Connection

  constructor(connection: Connection, info: DeviceInfo) {
    this.#connection = connection
    this.info = info
  }

  allocate(byteLength: number): Promise<BufferId> {
    return this.#connection.call('allocate', () => [byteLength])
  }

  free(buffer: BufferId): Promise<void> {
    return this.#connection.call('free', () => [buffer])
  }

  write(view: DeviceView, data: TypedArray): Promise<void> {
    return this.#connection.call('write', (outgoing) => [outgoing.view(view), outgoing.array(data)])
  }

  read(view: DeviceView): Promise<TypedArray> {
    return this.#connection.call('read', (outgoing) => [outgoing.view(view)])
  }

  copy(from: DeviceView, to: DeviceView): Promise<void> {
    return this.#connection.call('copy', (outgoing) => [outgoing.view(from), outgoing.view(to)])
  }

  load(model: Uint8Array, options: SessionOptions = {}): Promise<SessionId> {
    return this.#connection.call('load', (outgoing) => [outgoing.array(model), outgoing.sessionOptions(options)])
  }

  unload(session: SessionId): Promise<void> {
    return this.#connection.call('unload', () => [session])
  }

  run(
    session: SessionId,
    feeds: Readonly<Record<string, Feed>>,
    fetches: Readonly<Record<string, Fetch>>,
  ): Promise<Record<string, HostTensor>> {
    return this.#connection.call('run', (outgoing) => [session, outgoing.feeds(feeds), outgoing.fetches(fetches)])
  }

  memory(): Promise<DeviceMemory> {
    return this.#connection.call('memory', () => [])
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#connection.close()
  }
}

/** Requests and replies of one worker. Once `#ended` is set, every call is refused with it. */
class Connection {
  readonly opening: Promise<unknown>
  readonly #worker: Worker
  readonly #waiting = new Map<number, Waiter>()
  #nextId = openingId
  #ended: Error | undefined
  #closing: Promise<void> | undefined

  constructor(worker: Worker, gate: ExitGate) {
    this.#worker = worker
    const release = gate.guardProcess()
    worker.on('exit', release)
    worker.on('message', (reply: Reply) => this.#settle(reply))
    worker.on('messageerror', (error) => this.#end(new RuntimeError(`an answer of the worker was lost: ${error.message}`)))
    worker.on('error', (error) => this.#end(new RuntimeError(`the worker crashed: ${messageOf(error)}`, { cause: error })))
    worker.on('exit', (code) => this.#end(new RuntimeError(`the worker ended with exit code ${code}`)))
    this.opening = this.#wait(this.#nextId++)
  }

  async call<M extends Method>(method: M, compose: (outgoing: Outgoing) => Arguments<M>): Promise<Answer<M>> {
    if (this.#ended !== undefined) throw this.#ended
    const outgoing = new Outgoing()
    const args = compose(outgoing)
    const id = this.#nextId++
    this.#post({ id, method, args }, outgoing.transfer)
    return (await this.#wait(id)) as Answer<M>
  }

  /** Refuses what is pending, lets the worker finish its run and release its sessions, then ends it. */
  close(): Promise<void> {
    this.#closing ??= this.#close()
    return this.#closing
  }

  async #close(): Promise<void> {
    const reason = new DisposedError('the device was disposed')
    this.#end(reason)
    this.#ended = reason
    const alive = this.#worker.threadId !== -1
    if (alive) {
      const id = this.#nextId++
      this.#post({ id, method: 'dispose' }, [])
      await this.#wait(id).catch(() => undefined)
    }
    await this.#worker.terminate()
  }

  #post(request: object, transfer: readonly ArrayBuffer[]): void {
    try {
      this.#worker.postMessage(request, transfer)
    } catch (cause) {
      throw new OptionError(`the arguments cannot be sent to the worker: ${messageOf(cause)}`, { expected: 'plain data', cause })
    }
  }

  #wait(id: number): Promise<unknown> {
    this.#worker.ref()
    return new Promise((resolve, reject) => this.#waiting.set(id, { resolve, reject }))
  }

  #settle(reply: Reply): void {
    const waiter = this.#waiting.get(reply.id)
    this.#waiting.delete(reply.id)
    if (this.#waiting.size === 0) this.#worker.unref()
    if ('error' in reply) waiter?.reject(unpackError(reply.error))
    else waiter?.resolve(reply.value)
  }

  /** The first reason stays: a worker that crashed also ends, and one that ends after its disposal was not lost. */
  #end(reason: Error): void {
    this.#ended ??= reason
    for (const { reject } of this.#waiting.values()) reject(reason)
    this.#waiting.clear()
    this.#worker.unref()
  }
}
