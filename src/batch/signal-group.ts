/** Signals that abort together, each for as long as its work: listeners of a million requests would stay with a shared one. */
export class SignalGroup implements Disposable {
  readonly #running = new Set<AbortController>()
  readonly #parent: AbortSignal
  readonly #relay = (): void => this.abort(this.#parent.reason)
  #reason: { readonly error: unknown } | undefined

  constructor(parent: AbortSignal) {
    this.#parent = parent
    parent.addEventListener('abort', this.#relay)
    if (parent.aborted) this.#relay()
  }

  /** Aborts the signals of all work, now and from now on; the first reason stays. */
  abort(reason: unknown): void {
    this.#reason ??= { error: reason }
    for (const controller of this.#running) controller.abort(this.#reason.error)
  }

  throwIfAborted(): void {
    if (this.#reason !== undefined) throw this.#reason.error
  }

  async run<T>(work: (signal: AbortSignal) => Promise<T>): Promise<T> {
    this.throwIfAborted()
    const own = new AbortController()
    this.#running.add(own)
    try {
      return await work(own.signal)
    } finally {
      this.#running.delete(own)
    }
  }

  [Symbol.dispose](): void {
    this.#parent.removeEventListener('abort', this.#relay)
  }
}
