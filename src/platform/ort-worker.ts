import { type MessagePort, parentPort, workerData } from 'node:worker_threads'
import type { HostTensor, TypedArray } from '../base/dtype.ts'
import { RuntimeError } from '../base/errors.ts'
import type { Device } from './device.ts'
import { packError } from './error-border.ts'
import { ExitGate } from './exit-gate.ts'
import { openOrtDevice } from './ort-device.ts'
import { loadRuntime } from './ort-runtime.ts'
import { type Answer, type Method, openingId, type Reply, type Request, type WorkerSettings } from './worker-protocol.ts'

/** What a request comes to: the value, and the arrays in it that may move to the other side. */
interface Outcome {
  readonly value: unknown
  readonly arrays: readonly TypedArray[]
}

if (parentPort === null) throw new RuntimeError('this file is the entry of a worker thread', { fix: 'use openDevice()' })
await serve(parentPort, workerData as WorkerSettings)

async function serve(port: MessagePort, { gate: memory, ...settings }: WorkerSettings): Promise<void> {
  const gate = new ExitGate(memory)
  try {
    const device = await openOrtDevice(settings, { load: loadRuntime, around: (task) => gate.pass(task) })
    port.on('message', (request: Request) => void answer(port, device, request))
    send(port, openingId, { value: device.info, arrays: [] })
  } catch (error) {
    port.postMessage({ id: openingId, error: packError(error) } satisfies Reply)
    port.close()
  }
}

async function answer(port: MessagePort, device: Device, request: Request): Promise<void> {
  try {
    send(port, request.id, await perform(device, request))
  } catch (error) {
    port.postMessage({ id: request.id, error: packError(error) } satisfies Reply)
  }
  if (request.method === 'dispose') port.close()
}

async function perform(device: Device, request: Request): Promise<Outcome> {
  if (request.method === 'dispose') return { value: await device[Symbol.asyncDispose](), arrays: [] }
  const value = await call(device, request)
  if (request.method === 'read') return { value, arrays: [value as TypedArray] }
  if (request.method === 'run') return { value, arrays: Object.values(value as Record<string, HostTensor>).map(({ data }) => data) }
  return { value, arrays: [] }
}

function call(device: Device, { method, args }: Exclude<Request, { method: 'dispose' }>): Promise<Answer<Method>> {
  return (device[method] as (...given: unknown[]) => Promise<Answer<Method>>)(...args)
}

/** Results have memory of their own, so they move instead of being copied, wherever the runtime lets go of it. */
function send(port: MessagePort, id: number, { value, arrays }: Outcome): void {
  const reply: Reply = { id, value }
  try {
    port.postMessage(reply, [...new Set(arrays.map(({ buffer }) => buffer as ArrayBuffer))])
  } catch {
    port.postMessage(reply)
  }
}
