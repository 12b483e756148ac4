import { openDevice } from '../../../src/platform/index.ts'
import { fit } from '../../../src/train/index.ts'
import { busySettings, tinyTask } from './tiny-task.ts'

/** Trains the tiny task in a process of its own and prints a line per event. Arguments: folder, steps. */
const [folder, steps] = process.argv.slice(2)
const device = await openDevice({ threads: 1, worker: false })
await fit(await tinyTask(), {
  ...busySettings(device, folder!, Number(steps)),
  onEvent: ({ kind, step }) => void process.stdout.write(`${kind} ${step}\n`),
})
await device[Symbol.asyncDispose]()
