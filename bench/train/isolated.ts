import { type ChildProcess, fork } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import type { RunningArm, TrainArm } from './arm.ts'
import { type ArmName, arms } from './arms.ts'
import type { ModelSpec } from './model-spec.ts'

/** What an arm's process is asked, and in the same order answers. */
export type Request =
  | { readonly kind: 'open'; readonly spec: ModelSpec; readonly weights: ReadonlyMap<string, Float32Array> }
  | { readonly kind: 'step'; readonly x: Int32Array; readonly y: Int32Array }
  | { readonly kind: 'peakMemory' }

export type Reply = { readonly kind: 'done'; readonly value: number } | { readonly kind: 'failed'; readonly reason: string }

/** An arm in a process of its own: threads, heap and V8 flags of one arm cannot touch another's. Closing ends the process. */
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
  const script = fileURLToPath(new URL('./arm-process.ts', import.meta.url))
  const child = fork(script, [name, String(threads)], { serialization: 'advanced' })
  await ask(child, { kind: 'open', spec, weights })
  return {
    step: (x, y) => ask(child, { kind: 'step', x, y }),
    peakMemory: () => ask(child, { kind: 'peakMemory' }),
    pause: (paused) => void child.kill(paused ? 'SIGSTOP' : 'SIGCONT'),
    close: () => end(child),
  }
}

function ask(child: ChildProcess, request: Request): Promise<number> {
  return new Promise((resolve, reject) => {
    const exited = (code: number | null) => reject(new Error(`the arm's process ended with code ${code}`))
    child.once('exit', exited)
    child.once('message', (reply: Reply) => {
      child.off('exit', exited)
      if (reply.kind === 'done') resolve(reply.value)
      else reject(new Error(reply.reason))
    })
    child.send(request)
  })
}

function end(child: ChildProcess): Promise<void> {
  return new Promise((resolve) => {
    child.once('exit', () => resolve())
    child.kill('SIGKILL')
  })
}
