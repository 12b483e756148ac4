import type { ModelSpec } from './model-spec.ts'

/** One library under test. Weights are given by the names and layouts of `weightShapes`; an arm may pack them as it likes. */
export interface TrainArm {
  readonly name: string
  readonly version: string
  readonly threads: number
  open(spec: ModelSpec, weights: ReadonlyMap<string, Float32Array>): Promise<RunningArm>
}

export interface RunningArm {
  /** One optimiser step. `x` and `y` are [batch * context]; the answer is the loss before the update, in nats per target. */
  step(x: Int32Array, y: Int32Array): Promise<number>
  /** Bytes; where the arm has a process of its own. */
  peakMemory?(): Promise<number>
  /** Takes the processor away between turns, where the arm has a process of its own: some libraries keep threads busy while they wait. */
  pause?(paused: boolean): void
  close(): Promise<void>
}
