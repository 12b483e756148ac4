import { unlessAborted } from '../base/unless-aborted.ts'
import { SignalGroup } from './signal-group.ts'

/** Resolves after so many milliseconds; rejects with the signal's reason as soon as it aborts. */
export async function pause(milliseconds: number, signal: AbortSignal): Promise<void> {
  let timer: ReturnType<typeof setTimeout> | undefined
  const over = new Promise<void>((resolve) => {
    timer = setTimeout(resolve, milliseconds)
  })
  await unlessAborted(over, signal).finally(() => clearTimeout(timer))
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
