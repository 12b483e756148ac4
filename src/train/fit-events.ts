import type { Module } from '../nn/index.ts'
import type { Device } from '../platform/device.ts'

/** Why a run ended: all steps done, its signal aborted, or the validation loss no longer falling. */
export type StopReason = 'finished' | 'aborted' | 'stalled'

/** What happens in a run, in order. `step` counts the updates done. */
export type FitEvent =
  | {
      readonly kind: 'started'
      /** 0, or the step of the checkpoint that the run goes on from. */
      readonly step: number
      readonly steps: number
      /** Values that are trained. */
      readonly parameters: number
      readonly resumedFrom?: string
      /** Newer checkpoints that were damaged and are passed over. */
      readonly damaged?: readonly { readonly path: string; readonly problem: string }[]
    }
  | {
      readonly kind: 'step'
      readonly step: number
      /** Mean over the step's batches, before the update. */
      readonly loss: number
      readonly parts: Readonly<Record<string, number>>
      readonly learningRate: number
      /** Before clipping. */
      readonly gradientNorm: number
      /** What the update took, batches and all. */
      readonly seconds: number
    }
  | { readonly kind: 'validation'; readonly step: number; readonly loss: number; readonly best: boolean }
  | { readonly kind: 'checkpoint'; readonly step: number; readonly path: string }
  | { readonly kind: 'stopped'; readonly step: number; readonly reason: StopReason }
  | { readonly kind: 'failed'; readonly step: number; readonly problem: string }

/** What `onValidation` gets; the module holds the weights that were validated (the average's, when there is one). */
export interface ValidationContext {
  readonly step: number
  readonly loss: number
  readonly best: boolean
  readonly module: Module
  readonly device: Device
}

/** How a run ended. */
export interface FitReport {
  readonly stopped: StopReason
  /** Updates done, those before a resumption included. */
  readonly step: number
  /** Of the last update; undefined when this run did none. */
  readonly loss: number | undefined
  readonly best: { readonly step: number; readonly loss: number } | undefined
  /** The last checkpoint of the run. */
  readonly checkpoint: string | undefined
}
