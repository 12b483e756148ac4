import { answerRequests, peakMemory } from '../lib/child-arm.ts'
import type { RunningArm } from './arm.ts'
import { type ArmName, arms } from './arms.ts'
import type { Request } from './isolated.ts'

// The far side of isolated.ts: node arm-process.ts <arm> <threads>.

const [name, threads] = process.argv.slice(2)
const arm = arms[name as ArmName](Number(threads))
let running: RunningArm | undefined

answerRequests(async (request: Request) => {
  if (request.kind === 'peakMemory') return peakMemory()
  if (request.kind === 'step') return running!.step(request.x, request.y)
  running = await arm.open(request.spec, request.weights)
  return 0
})
