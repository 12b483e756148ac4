import process from 'node:process'

/** Exit codes; 128 + the signal's number for what a signal ended. */
export const exitCodes = { failed: 1, usage: 2, interrupted: 130, terminated: 143 } as const

/** Ends the command with an exit code, everything worth saying being said. */
export class Exit extends Error {
  constructor(readonly exitCode: number) {
    super(`exit ${exitCode}`)
  }
}

/**
 * Runs work that the user may stop: the signal aborts at the first Ctrl-C (or SIGTERM), with an `Exit` as its reason. A second one ends
 * the process at once.
 */
export async function interruptible<T>(work: (signal: AbortSignal) => Promise<T>): Promise<T> {
  const controller = new AbortController()
  const stopWith = (exitCode: number) => () => {
    if (controller.signal.aborted) process.exit(exitCode)
    controller.abort(new Exit(exitCode))
  }
  const [interrupt, terminate] = [stopWith(exitCodes.interrupted), stopWith(exitCodes.terminated)]
  process.on('SIGINT', interrupt).on('SIGTERM', terminate)
  try {
    const result = await work(controller.signal)
    controller.signal.throwIfAborted()
    return result
  } finally {
    process.off('SIGINT', interrupt).off('SIGTERM', terminate)
  }
}
