import { SignalGroup } from './signal-group.ts'

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
  using group = new SignalGroup(signal)
  const lane = async () => {
    try {
      for (let next = await items.next(); next.done !== true; next = await items.next()) {
        const { value } = next
        await group.run((own) => work(value, own))
      }
    } catch (error) {
      group.abort(error)
    }
  }
  try {
    await Promise.all(Array.from({ length: width }, lane))
    group.throwIfAborted()
  } finally {
    await items.return()
  }
}
