import { RuntimeError } from '../base/errors.ts'
import type { ThreadEvents, WorkerThread } from './worker-thread.ts'

/** In a browser, grammars are compiled in the page. */
export function hasThreads(): boolean {
  return false
}

export function openGrammarThread(_workerData: unknown, _events: ThreadEvents): WorkerThread {
  throw new RuntimeError('there are no threads for grammars in a browser')
}
