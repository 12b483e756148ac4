import { createRequire } from 'node:module'
import { Worker } from 'node:worker_threads'
import { RuntimeError } from '../base/errors.ts'
import { messageOf } from './ort-api.ts'

export interface ThreadEvents {
  message(message: unknown): void
  /** Once, unless it was terminated. */
  ended(error: Error): void
}

/** A thread that answers messages. It keeps the process alive only while it is held. */
export interface WorkerThread {
  post(message: unknown): void
  hold(): void
  letGo(): void
  terminate(): Promise<void>
}

/** A function: the value of a constant is written into other modules when the package is built. */
export function hasThreads(): boolean {
  return true
}

/**
 * A thread of nextx/grammars.
 * @throws RuntimeError when the package was not built, or was bundled without the thread's file.
 */
export function openGrammarThread(workerData: unknown, events: ThreadEvents): WorkerThread {
  // Flags of the parent (loaders, inspectors) are not for the worker, which is plain built JavaScript.
  const worker = new Worker(grammarEntry(), { name: 'nextx-grammars', workerData, execArgv: [] })
  let over = false
  const end = (error: Error) => {
    if (!over) events.ended(error)
    over = true
  }
  worker.on('message', (message) => events.message(message))
  worker.on('messageerror', (error) => end(new RuntimeError(`an answer of the worker was lost: ${messageOf(error)}`)))
  worker.on('error', (error) => end(new RuntimeError(`the worker crashed: ${messageOf(error)}`, { cause: error })))
  worker.on('exit', (code) => end(new RuntimeError(`the worker ended with exit code ${code}`)))
  return {
    post: (message) => worker.postMessage(message),
    hold: () => worker.ref(),
    letGo: () => worker.unref(),
    terminate: async () => {
      over = true
      await worker.terminate()
    },
  }
}

function grammarEntry(): string {
  try {
    return createRequire(import.meta.url).resolve('#grammar-worker')
  } catch (cause) {
    throw new RuntimeError("the worker's file is missing", {
      expected: 'dist/grammars/grammar-worker.js of the nextx package',
      fix: 'run `npm run build`, or open the compiler with { worker: false }',
      cause,
    })
  }
}
