import { DisposedError } from '../base/errors.ts'

const busy = 0
const closing = 1
const longestWait = 60_000 // milliseconds

/**
 * Lets a process end in the middle of a worker's run. ONNX Runtime's binding aborts the process when a worker is torn down inside a
 * native call, so the thread that ends the process waits for the call that is under way, and the worker starts no other.
 */
export class ExitGate {
  readonly memory: SharedArrayBuffer
  readonly #flags: Int32Array

  constructor(memory: SharedArrayBuffer = new SharedArrayBuffer(8)) {
    this.memory = memory
    this.#flags = new Int32Array(memory)
  }

  /** In the worker: does a task that may be in native code. The flag is raised before `closing` is read, so one side sees the other. */
  async pass<T>(task: () => T | Promise<T>): Promise<T> {
    Atomics.store(this.#flags, busy, 1)
    try {
      if (Atomics.load(this.#flags, closing) === 1) throw new DisposedError('the process is ending')
      return await task()
    } finally {
      Atomics.store(this.#flags, busy, 0)
      Atomics.notify(this.#flags, busy)
    }
  }

  /** In the thread that ends the process. */
  readonly shut = (): void => {
    Atomics.store(this.#flags, closing, 1)
    Atomics.wait(this.#flags, busy, 1, longestWait)
  }

  /** Shuts at the end of the process, until the function that comes back is called. */
  guardProcess(): () => void {
    process.setMaxListeners(process.getMaxListeners() + 1)
    process.once('exit', this.shut)
    return () => {
      process.off('exit', this.shut)
      process.setMaxListeners(process.getMaxListeners() - 1)
    }
  }
}
