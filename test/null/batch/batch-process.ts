import { runBatch } from '../../../src/batch/index.ts'
import { stubService } from './stub-service.ts'

// A process of its own, which tests kill: `node --import tsx batch-process.ts '{"input": …, "output": …}'`.

const settings = JSON.parse(process.argv[2] ?? '{}') as { input: string; output: string; delay: number }
await runBatch({
  service: stubService({ delay: () => settings.delay }),
  input: settings.input,
  output: settings.output,
  concurrency: 3,
})
