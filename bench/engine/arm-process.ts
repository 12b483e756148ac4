import { answerRequests, peakMemory } from '../lib/child-arm.ts'
import type { RunningEngine, SoakRun } from './arm.ts'
import { type EngineName, engines } from './arms.ts'
import type { Request } from './isolated.ts'

// The far side of isolated.ts: node arm-process.ts <engine>.

const [name] = process.argv.slice(2)
let running: RunningEngine | undefined

answerRequests(async (request: Request) => {
  if (request.kind === 'memory') return { resident: process.memoryUsage.rss(), peak: peakMemory() }
  if (request.kind === 'decode') return running!.decode(request.run)
  if (request.kind === 'extend') return running!.extend(request.run)
  if (request.kind === 'serve') return running!.serve(request.run)
  if (request.kind === 'soak') return soakOf(running!, request.run)
  const start = performance.now()
  running = await engines[name as EngineName](request.spec)
  return { description: running.description, loading: performance.now() - start }
})

function soakOf({ soak, description }: RunningEngine, run: SoakRun) {
  if (soak === undefined) throw new Error(`${description} has no soak`)
  return soak(run)
}
