import { hasThreads, openGrammarThread } from '../platform/worker-thread.ts'
import type { GrammarHost, GrammarVocabulary } from './grammar-host.ts'
import { openLibraryHost } from './library-host.ts'
import { type HostTimes, WorkerHost } from './worker-host.ts'
import type { GrammarWorkerData } from './worker-protocol.ts'

export interface HostOptions {
  /** Compiled grammars that are kept. */
  readonly kept: number
  /** In a thread of its own, where there are threads. */
  readonly worker: boolean
  readonly times: HostTimes
}

export async function openHost(vocabulary: GrammarVocabulary, { kept, worker, times }: HostOptions): Promise<GrammarHost> {
  if (!worker || !hasThreads()) return openLibraryHost(vocabulary, kept)
  const data: GrammarWorkerData = { vocabulary, kept }
  const host = new WorkerHost((events) => openGrammarThread(data, events), times)
  try {
    await host.ready
    return host
  } catch (error) {
    await host[Symbol.asyncDispose]()
    throw error
  }
}
