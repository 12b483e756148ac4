import type { Assignment, FeedValue, Tensor } from '../tensor/index.ts'

export type Feeds = Readonly<Record<string, FeedValue>>

/** What a program of the training loop computes. */
export interface StepGraph {
  /** Scalars by name. */
  readonly outputs: Readonly<Record<string, Tensor>>
  readonly assignments: readonly Assignment[]
  /** What some of the tensors are, for messages. */
  readonly labels: ReadonlyMap<Tensor, string>
}

export type StepGraphBuilder = (inputs: Readonly<Record<string, Tensor>>) => StepGraph
