import { queueBatch, runBatch, workOnBatches } from '../../../src/batch/index.ts'
import { type StubCall, stubService } from './stub-service.ts'

// A process of its own, which tests kill: `node --import tsx batch-process.ts '{"role": "run", "input": …, "output": …}'`.

export interface BatchProcessSettings {
  readonly role: 'run' | 'collect' | 'work'
  readonly input?: string
  readonly output?: string
  readonly url?: string
  /** Milliseconds of an answer. */
  readonly delay?: number
  /** A text whose requests end the process. */
  readonly poisoned?: string
  readonly mostDeaths?: number
  readonly concurrency?: number
}

const {
  role,
  input = '',
  output = '',
  url = '',
  delay = 0,
  poisoned,
  mostDeaths = 1000,
  concurrency = 3,
} = JSON.parse(process.argv[2] ?? '{}') as BatchProcessSettings
const refuse = ({ body }: StubCall) => {
  if (poisoned !== undefined && JSON.stringify(body).includes(poisoned)) process.kill(process.pid, 'SIGKILL')
}
const service = stubService({ delay: () => delay, refuse })

if (role === 'run') await runBatch({ service, input, output, concurrency })
if (role === 'collect') await queueBatch({ queue: { url }, input, output, window: 40, sweepInterval: 500 })
if (role === 'work') {
  const stop = new AbortController()
  process.once('SIGTERM', () => stop.abort(new Error('SIGTERM')))
  const times = { lockTime: 600, stalledInterval: 300 }
  await workOnBatches({ service, queue: { url }, concurrency, mostDeaths, ...times, signal: stop.signal })
}
