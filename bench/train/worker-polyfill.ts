import { resolveObjectURL } from 'node:buffer'
import { Worker as Thread } from 'node:worker_threads'

interface MessageLike {
  readonly data: unknown
}

/** What jax-js needs of the browser's `Worker`, which Node lacks: a script from a blob URL, messages both ways. */
export class BlobWorker {
  onmessage: ((event: MessageLike) => void) | null = null
  onerror: ((error: Error) => void) | null = null
  readonly #thread: Promise<Thread>

  constructor(url: string) {
    this.#thread = this.#start(url)
  }

  postMessage(data: unknown): void {
    void this.#thread.then((thread) => thread.postMessage(data))
  }

  async #start(url: string): Promise<Thread> {
    const blob = resolveObjectURL(url)
    if (blob === undefined) throw new Error(`no blob is registered as ${url}`)
    const thread = new Thread(prelude + (await blob.text()), { eval: true, execArgv: [] })
    thread.on('message', (data) => this.onmessage?.({ data }))
    thread.on('error', (error) => this.onerror?.(error))
    return thread
  }
}

const prelude = `
const { parentPort } = require('node:worker_threads')
globalThis.self = globalThis
globalThis.postMessage = (data) => parentPort.postMessage(data)
parentPort.on('message', (data) => self.onmessage({ data }))
`

/** Gives jax-js `threads` workers; must run before jax-js is imported. */
export function installWorkers(threads: number): void {
  Object.defineProperty(globalThis, 'Worker', { value: BlobWorker, configurable: true })
  Object.defineProperty(globalThis, 'navigator', { value: { hardwareConcurrency: threads }, configurable: true })
}
