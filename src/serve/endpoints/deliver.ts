import { heldEvents } from '../events.ts'
import type { Lease } from '../model-pool.ts'
import type { Answer, ServerEvent } from '../service.ts'

/** Something that a model is doing, until it is closed. */
interface Running {
  close(): Promise<void>
}

interface Delivery {
  readonly stream: boolean
  events(): AsyncGenerator<ServerEvent, void, undefined>
  body(): Promise<object>
}

/** Answers bit by bit, or at once. Whatever happens, what runs is closed, and the model given back: at the end, or when the events are left. */
export async function deliver(lease: Lease, running: Running, { stream, events, body }: Delivery): Promise<Answer> {
  const release = async () => {
    await running.close()
    await lease.release()
  }
  if (stream) return { kind: 'events', events: heldEvents(events(), release) }
  try {
    return { kind: 'json', body: await body() }
  } finally {
    await release()
  }
}

/** Gives the model back when starting fails. */
export async function withLease<T>(lease: Lease, start: () => Promise<T>): Promise<T> {
  try {
    return await start()
  } catch (error) {
    await lease.release()
    throw error
  }
}

/** Gives the model back at the end of the work. */
export async function duringLease<T>(lease: Lease, work: () => Promise<T>): Promise<T> {
  try {
    return await work()
  } finally {
    await lease.release()
  }
}
