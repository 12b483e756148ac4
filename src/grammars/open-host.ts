import type { GrammarHost, GrammarVocabulary } from './grammar-host.ts'
import { openLibraryHost } from './library-host.ts'

export interface HostTimes {
  /** Milliseconds. */
  readonly compile: number
  readonly token: number
}

export function openHost(vocabulary: GrammarVocabulary, kept: number, _times: HostTimes): Promise<GrammarHost> {
  return openLibraryHost(vocabulary, kept)
}
