/** Resolves after so many milliseconds; rejects with the signal's reason as soon as it aborts. */
export function pause(milliseconds: number, signal: AbortSignal): Promise<void> {
  return untilAborted(signal, (resolve) => {
    const timer = setTimeout(resolve, milliseconds)
    return () => clearTimeout(timer)
  })
}

/** The promise's outcome, or the signal's reason if that comes first; then the promise's later failure is nobody's. */
export function orAborted<T>(promise: Promise<T>, signal: AbortSignal): Promise<T> {
  return untilAborted(signal, (resolve, reject) => {
    promise.then(resolve, reject)
    return () => undefined
  })
}

type Begin<T> = (resolve: (value: T) => void, reject: (reason: unknown) => void) => () => void

/** `begin` starts what is waited for, and returns what stops it. */
function untilAborted<T>(signal: AbortSignal, begin: Begin<T>): Promise<T> {
  return new Promise<T>((resolve, reject) => {
    let stop = (): void => undefined
    const abort = () => {
      stop()
      reject(signal.reason)
    }
    const settled =
      <V>(settle: (value: V) => void) =>
      (value: V) => {
        signal.removeEventListener('abort', abort)
        settle(value)
      }
    signal.addEventListener('abort', abort, { once: true })
    stop = begin(settled<T>(resolve), settled<unknown>(reject))
    if (signal.aborted) abort()
  })
}

/**
 * Works on the items, `width` of them at a time, in their order. The first failure aborts the signals of the others, and is thrown when
 * they have ended.
 */
export async function forEachAtOnce<T>(
  items: AsyncGenerator<T, void, void>,
  { width, signal }: { readonly width: number; readonly signal: AbortSignal },
  work: (item: T, signal: AbortSignal) => Promise<void>,
): Promise<void> {
  // Each item has a signal of its own: listeners of a million items would stay with a shared one.
  const running = new Set<AbortController>()
  const stop = new AbortController()
  const abortAll = (): void => {
    for (const controller of running) controller.abort(stop.signal.reason)
  }
  const relay = (): void => stop.abort(signal.reason)
  stop.signal.addEventListener('abort', abortAll)
  signal.addEventListener('abort', relay)
  if (signal.aborted) relay()
  const workOn = async (item: T) => {
    const own = new AbortController()
    running.add(own)
    try {
      await work(item, own.signal)
    } finally {
      running.delete(own)
    }
  }
  const lane = async () => {
    try {
      for (let next = await items.next(); next.done !== true; next = await items.next()) {
        stop.signal.throwIfAborted()
        await workOn(next.value)
      }
    } catch (error) {
      stop.abort(error)
    }
  }
  try {
    await Promise.all(Array.from({ length: width }, lane))
    stop.signal.throwIfAborted()
  } finally {
    signal.removeEventListener('abort', relay)
    await items.return()
  }
}
