import type { PackedError } from '../platform/error-border.ts'
import type { GrammarHost, GrammarVocabulary } from './grammar-host.ts'

export interface GrammarWorkerData {
  readonly vocabulary: GrammarVocabulary
  readonly kept: number
}

/** `begin` is answered once the library is there. */
export type HostMethod = 'begin' | Exclude<keyof GrammarHost, typeof Symbol.asyncDispose>

export interface HostRequest {
  readonly id: number
  readonly method: HostMethod
  readonly args: readonly unknown[]
}

export type HostReply = { readonly id: number; readonly value: unknown } | { readonly id: number; readonly error: PackedError }
