import type { Duration } from './stopwatch.ts'

/** What an engine is opened with. */
export interface EngineSpec {
  /** A GGUF file. */
  readonly file: string
  readonly threads: number
  /** Most sequences at a time. */
  readonly rows: number
  /** Positions of a sequence. */
  readonly contextLength: number
  /** For nextx: float32 weights become 4 bits in blocks of so many. */
  readonly block?: number
}

/** Feeds `prompt` fixed ids to every row, then `steps` single ones; logits of the last only, and the likeliest id of each. */
export interface DecodeRun {
  readonly rows: number
  readonly prompt: number
  readonly steps: number
}

export interface DecodeTimes {
  /** Until the logits after the prompts were there. */
  readonly prompt: Duration
  /** All the steps. */
  readonly steps: Duration
  /** Sequences that shared a call of the network, at the median over steps. */
  readonly together: number
  /** The likeliest ids after the prompt and after each step, of the first row: arms on the same weights agree on most. */
  readonly likeliest: readonly number[]
}

/** Extends a state of `prefix` positions by `tokens` at a time, `times` times over. */
export interface ExtendRun {
  readonly prefix: number
  readonly tokens: number
  readonly times: number
}

/** An engine with a model: llama.cpp or nextx, in the process that asks. */
export interface RunningEngine {
  /** What was measured: version, processor variant, driver. */
  readonly description: string
  decode(run: DecodeRun): Promise<DecodeTimes>
  /** Milliseconds of each extension; logits of all fed slots, as verification of drafts needs them. */
  extend(run: ExtendRun): Promise<number[]>
}

export type OpenEngine = (spec: EngineSpec) => Promise<RunningEngine>
