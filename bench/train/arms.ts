import type { TrainArm } from './arm.ts'
import { jaxJs } from './jax-js.ts'
import { nextx, nextxInPlace } from './nextx.ts'
import { tfjsWasm } from './tfjs-wasm.ts'

/** The arms, by name; the other libraries keep their thread count process-wide, so a process opens one of them once. */
export const arms = {
  nextx,
  'nextx-in-place': nextxInPlace,
  'jax-js': jaxJs,
  'tfjs-wasm': tfjsWasm,
} as const satisfies Record<string, (threads: number) => TrainArm>

export type ArmName = keyof typeof arms
