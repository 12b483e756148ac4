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

/** A request that comes at a time after the start, in ms, with so many ids, and wants so many back. */
export interface ServedRequest {
  readonly at: number
  readonly prompt: number
  readonly tokens: number
}

/** All requests, each at its time; at most `rows` at once. With 1 they run one after another, as they came. */
export interface ServeRun {
  readonly requests: readonly ServedRequest[]
  readonly rows: number
}

export interface ServedTimes {
  /** When each generated token came, by request, in ms since the start. */
  readonly tokens: readonly (readonly number[])[]
  /** What was generated, by request. */
  readonly ids: readonly (readonly number[])[]
  /** From the start until the last token. */
  readonly total: number
}

/** Requests of all kinds for so long, of which a share is cancelled at a random moment. */
export interface SoakRun {
  readonly seconds: number
  readonly rows: number
  readonly cancelled: number
  readonly seed: number
}

export interface SoakSample {
  /** Seconds since the start. */
  readonly at: number
  /** Bytes of the process. */
  readonly resident: number
  /** Buffers of the device, and their bytes. */
  readonly buffers: number
  readonly bytes: number
  /** Requests that run or wait. */
  readonly requests: number
}

export interface SoakFindings {
  readonly samples: readonly SoakSample[]
  readonly finished: number
  readonly cancelled: number
  readonly failed: readonly string[]
  readonly generated: number
  /** Delay of the event loop, in ms. */
  readonly delay: { readonly median: number; readonly p99: number; readonly most: number }
  /** Before the engine was opened, and after it was closed. */
  readonly buffers: { readonly before: number; readonly after: number }
  /** What the engine found wrong inside. */
  readonly problems: readonly string[]
}

/** An engine with a model: llama.cpp or nextx, in the process that asks. */
export interface RunningEngine {
  /** What was measured: version, processor variant, driver. */
  readonly description: string
  decode(run: DecodeRun): Promise<DecodeTimes>
  /** Milliseconds of each extension; nextx gives the logits of all fed slots, as verification of drafts needs them. */
  extend(run: ExtendRun): Promise<number[]>
  serve(run: ServeRun): Promise<ServedTimes>
  /** For nextx only. */
  soak?(run: SoakRun): Promise<SoakFindings>
}

export type OpenEngine = (spec: EngineSpec) => Promise<RunningEngine>
