/** Tells of aborts with one listener per signal, however many requests share it. */
export class AbortWatch {
  readonly #watched = new Map<AbortSignal, { readonly callbacks: Set<() => void>; readonly stop: () => void }>()

  /** Calls back once the signal aborts. Returns a function that ends the watch. */
  add(signal: AbortSignal, callback: () => void): () => void {
    const { callbacks } = this.#watched.get(signal) ?? this.#watch(signal)
    callbacks.add(callback)
    return () => {
      callbacks.delete(callback)
      if (callbacks.size === 0) this.#forget(signal)
    }
  }

  #watch(signal: AbortSignal) {
    const callbacks = new Set<() => void>()
    const aborted = () => {
      for (const callback of [...callbacks]) callback()
    }
    signal.addEventListener('abort', aborted)
    const watch = { callbacks, stop: () => signal.removeEventListener('abort', aborted) }
    this.#watched.set(signal, watch)
    return watch
  }

  #forget(signal: AbortSignal): void {
    this.#watched.get(signal)?.stop()
    this.#watched.delete(signal)
  }
}
