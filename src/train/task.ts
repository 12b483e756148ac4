import type { Module } from '../nn/module.ts'
import type { Assignment, FeedValue, Inputs, Tensor } from '../tensor/index.ts'

/** The scalar to minimise, and what comes with it. */
export interface TracedLoss {
  readonly total: Tensor
  /** Other scalars to report. */
  readonly parts?: Readonly<Record<string, Tensor>>
  /** New values, at every batch, of the module's variables that no gradient trains: codebooks, running statistics. */
  readonly updates?: readonly Assignment[]
}

/** What `fit` trains: a module, a traced loss, and batches that depend on their index alone (so that a resumed run repeats them). */
export interface TrainingTask<I extends Inputs = Inputs> {
  readonly module: Module
  readonly inputs: I
  /** Called while tracing. */
  loss(inputs: { readonly [K in keyof I]: Tensor }): TracedLoss
  /** The feeds of a training step (of a micro-batch, when several are accumulated); a pure function of its index, from 0 on. */
  batchAt(step: number): { readonly [K in keyof I]: FeedValue }
  /** Held-out batches; their mean loss is the validation loss. */
  readonly validation?: {
    readonly batches: number
    batchAt(index: number): { readonly [K in keyof I]: FeedValue }
  }
  /** Names the data, their order and the seeds of the batches: checkpoints keep it, and a run with another is not resumed. */
  readonly fingerprint?: string
}
