import { openChildArm } from '../lib/child-arm.ts'
import type { RunningArm, TrainArm } from './arm.ts'
import { type ArmName, arms } from './arms.ts'
import type { ModelSpec } from './model-spec.ts'

/** What an arm's process is asked, and in the same order answers with a number. */
export type Request =
  | { readonly kind: 'open'; readonly spec: ModelSpec; readonly weights: ReadonlyMap<string, Float32Array> }
  | { readonly kind: 'step'; readonly x: Int32Array; readonly y: Int32Array }
  | { readonly kind: 'peakMemory' }

/** An arm in a process of its own. Closing ends the process. */
export function isolated(name: ArmName, threads: number): TrainArm {
  const { version } = arms[name](threads)
  return { name, version, threads, open: (spec, weights) => openIsolated(name, threads, spec, weights) }
}

async function openIsolated(
  name: ArmName,
  threads: number,
  spec: ModelSpec,
  weights: ReadonlyMap<string, Float32Array>,
): Promise<RunningArm> {
  const child = openChildArm<Request>(new URL('./arm-process.ts', import.meta.url), [name, String(threads)])
  const ask = async (request: Request) => Number(await child.ask(request))
  await ask({ kind: 'open', spec, weights })
  return {
    step: (x, y) => ask({ kind: 'step', x, y }),
    peakMemory: () => ask({ kind: 'peakMemory' }),
    pause: child.pause,
    close: child.close,
  }
}
