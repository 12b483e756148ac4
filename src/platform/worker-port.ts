import { parentPort, workerData } from 'node:worker_threads'
import { RuntimeError } from '../base/errors.ts'

/** In a worker thread: what it was opened with, and the way to answer. */
export function workerPort(listen: (message: unknown) => void): { readonly data: unknown; post(message: unknown): void } {
  const port = parentPort
  if (port === null) throw new RuntimeError('this file is the entry of a worker thread')
  port.on('message', listen)
  return { data: workerData, post: (message) => port.postMessage(message) }
}
