import type { TrainArm } from './arm.ts'
import { jaxJs } from './jax-js.ts'
import { tfjsWasm } from './tfjs-wasm.ts'

/** The other libraries, by name; each keeps its thread count process-wide, so a process opens one of them once. */
export const baselines = { 'jax-js': jaxJs, 'tfjs-wasm': tfjsWasm } as const satisfies Record<string, (threads: number) => TrainArm>

export type BaselineName = keyof typeof baselines
