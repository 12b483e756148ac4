import { type ChildProcess, fork } from 'node:child_process'
import { existsSync, readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'

/** One side of a comparison in a process of its own: threads, heap and V8 flags of one cannot touch another's. */
export interface ChildArm<Request> {
  /** The answer to a request; one at a time. Rejects with the stack of what failed over there. */
  ask(request: Request): Promise<unknown>
  /** Takes the processor away between turns: some libraries keep threads busy while they wait. */
  pause(paused: boolean): void
  close(): Promise<void>
}

type Reply = { readonly kind: 'done'; readonly value: unknown } | { readonly kind: 'failed'; readonly reason: string }

/** Starts a script that calls `answerRequests`. */
export function openChildArm<Request>(script: URL, parameters: readonly string[]): ChildArm<Request> {
  const child = fork(fileURLToPath(script), [...parameters], { serialization: 'advanced' })
  return {
    ask: (request) => ask(child, request),
    pause: (paused) => void child.kill(paused ? 'SIGSTOP' : 'SIGCONT'),
    close: () => end(child),
  }
}

function ask(child: ChildProcess, request: unknown): Promise<unknown> {
  return new Promise((resolve, reject) => {
    const exited = (code: number | null) => reject(new Error(`the arm's process ended with code ${code}`))
    child.once('exit', exited)
    child.once('message', (reply: Reply) => {
      child.off('exit', exited)
      if (reply.kind === 'done') resolve(reply.value)
      else reject(new Error(reply.reason))
    })
    child.send(request as object)
  })
}

function end(child: ChildProcess): Promise<void> {
  return new Promise((resolve) => {
    if (child.exitCode !== null || child.signalCode !== null) return resolve()
    child.once('exit', () => resolve())
    child.kill('SIGKILL')
  })
}

/** The far side: answers every request of the parent, and ends with it. */
export function answerRequests<Request>(handle: (request: Request) => Promise<unknown>): void {
  const reply = (message: Reply) => void process.send!(message)
  process.on('message', (request: Request) => {
    handle(request).then(
      (value) => reply({ kind: 'done', value }),
      (error: unknown) =>
        reply({ kind: 'failed', reason: error instanceof Error ? (error.stack ?? error.message) : String(error) }),
    )
  })
  process.on('disconnect', () => process.exit())
}

/** Bytes of memory that this process has touched at most. */
export function peakMemory(): number {
  // Where Linux tells: maxRSS begins at what the parent had touched when it forked. Both are in KiB.
  const status = existsSync('/proc/self/status') ? readFileSync('/proc/self/status', 'utf8') : ''
  const kibibytes = /^VmHWM:\s+(\d+) kB$/m.exec(status)?.[1] ?? process.resourceUsage().maxRSS
  return Number(kibibytes) * 1024
}
