import process from 'node:process'

/** Exit codes; 128 + the signal's number for what a signal ended. */
export const exitCodes = { failed: 1, usage: 2, interrupted: 130, terminated: 143 } as const

/** Ends the command with an exit code, everything worth saying being said. */
export class Exit extends Error {
  constructor(readonly exitCode: number) {
    super(`exit ${exitCode}`)
  }
}

/** Runs a part of the work, which Ctrl-C stops without ending the whole. */
export type PartRunner = <T>(part: (signal: AbortSignal) => Promise<T>) => Promise<T>

/**
 * Runs work that the user may stop: the signal aborts at the first Ctrl-C (or SIGTERM), with an `Exit` as its reason. A second one ends
 * the process at once.
 *
 * Ctrl-C during a part aborts that part alone, with an `Exit` too; pressed again before the part has ended, the whole.
 */
export async function interruptible<T>(work: (signal: AbortSignal, runPart: PartRunner) => Promise<T>): Promise<T> {
  const controller = new AbortController()
  let part: AbortController | undefined
  const stopWith = (exitCode: number) => () => {
    if (controller.signal.aborted) process.exit(exitCode)
    const stopsPart = exitCode === exitCodes.interrupted && part?.signal.aborted === false
    if (!stopsPart) controller.abort(new Exit(exitCode))
    part?.abort(new Exit(exitCode))
  }
  const runPart: PartRunner = async (run) => {
    part = new AbortController()
    try {
      return await run(part.signal)
    } finally {
      part = undefined
    }
  }
  const [interrupt, terminate] = [stopWith(exitCodes.interrupted), stopWith(exitCodes.terminated)]
  process.on('SIGINT', interrupt).on('SIGTERM', terminate)
  try {
    const result = await work(controller.signal, runPart)
    controller.signal.throwIfAborted()
    return result
  } finally {
    process.off('SIGINT', interrupt).off('SIGTERM', terminate)
  }
}
