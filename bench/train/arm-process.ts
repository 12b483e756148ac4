import type { RunningArm } from './arm.ts'
import { type ArmName, arms } from './arms.ts'
import type { Reply, Request } from './isolated.ts'

// The far side of isolated.ts: node arm-process.ts <arm> <threads>.

const [name, threads] = process.argv.slice(2)
const arm = arms[name as ArmName](Number(threads))
let running: RunningArm | undefined

process.on('message', (request: Request) => {
  answer(request).then(
    (value) => reply({ kind: 'done', value }),
    (error: unknown) => reply({ kind: 'failed', reason: error instanceof Error ? (error.stack ?? error.message) : String(error) }),
  )
})
process.on('disconnect', () => process.exit())

async function answer(request: Request): Promise<number> {
  // maxRSS is in KiB.
  if (request.kind === 'peakMemory') return process.resourceUsage().maxRSS * 1024
  if (request.kind === 'step') return running!.step(request.x, request.y)
  running = await arm.open(request.spec, request.weights)
  return 0
}

function reply(message: Reply): void {
  process.send!(message)
}
