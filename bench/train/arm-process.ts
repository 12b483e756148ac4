import type { RunningArm } from './arm.ts'
import { type BaselineName, baselines } from './baselines.ts'
import type { Reply, Request } from './isolated.ts'

// The far side of isolated.ts: node arm-process.ts <baseline> <threads>.

const [name, threads] = process.argv.slice(2)
const arm = baselines[name as BaselineName](Number(threads))
let running: RunningArm | undefined

process.on('message', (request: Request) => {
  answer(request).then(
    (loss) => reply({ kind: 'done', loss }),
    (error: unknown) => reply({ kind: 'failed', reason: error instanceof Error ? (error.stack ?? error.message) : String(error) }),
  )
})
process.on('disconnect', () => process.exit())

async function answer(request: Request): Promise<number> {
  if (request.kind === 'step') return running!.step(request.x, request.y)
  running = await arm.open(request.spec, request.weights)
  return 0
}

function reply(message: Reply): void {
  process.send!(message)
}
