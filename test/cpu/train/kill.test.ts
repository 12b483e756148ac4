import { spawn } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { createRng } from '../../../src/base/rng.ts'
import { openDevice } from '../../../src/platform/index.ts'
import { fit, latestCheckpoint } from '../../../src/train/index.ts'
import { busySettings, tinyTask } from './tiny-task.ts'

const script = fileURLToPath(new URL('child-run.ts', import.meta.url))
const steps = 60
let root: string
beforeAll(() => {
  root = mkdtempSync(join(tmpdir(), 'nextx-kill-'))
})
afterAll(() => rmSync(root, { recursive: true }))

/** Runs the child, and kills it without warning `delay` milliseconds after it printed `lines` lines. Returns what it printed. */
async function child(folder: string, kill?: { readonly lines: number; readonly delay: number }): Promise<string[]> {
  const process_ = spawn(process.execPath, ['--import', 'tsx', script, folder, String(steps)], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  const exited = new Promise<[number | null, string | null]>((resolve) => process_.on('exit', (...end) => resolve(end)))
  let printed = ''
  let killing: Promise<void> | undefined
  for await (const text of process_.stdout.setEncoding('utf8')) {
    printed += text
    if (kill !== undefined && printed.split('\n').length > kill.lines) {
      killing ??= sleep(kill.delay).then(() => void process_.kill('SIGKILL'))
    }
  }
  await killing
  expect(await exited).toEqual(kill === undefined ? [0, null] : [null, 'SIGKILL'])
  return printed.trimEnd().split('\n')
}

function stepOf(line: string): number {
  return Number(line.split(' ')[1])
}

test('a run that is killed again and again ends with the same bits, and loses at most the steps since its last checkpoint', async () => {
  const [whole, broken] = [join(root, 'whole'), join(root, 'broken')]
  const device = await openDevice({ threads: 1, worker: false })
  await fit(await tinyTask(), busySettings(device, whole, steps))
  await device[Symbol.asyncDispose]()
  const rng = createRng(5).fold('kills')
  for (let i = 0; i < 3; i++) {
    const printed = await child(broken, { lines: 6 + rng.integerAt(2 * i, 12), delay: rng.integerAt(2 * i + 1, 12) })
    const reached = Math.max(...printed.map(stepOf))
    const { checkpoint, damaged } = await latestCheckpoint(broken)
    expect(damaged).toEqual([])
    expect(checkpoint!.progress.step).toBeGreaterThanOrEqual(reached - (reached % 3) - (reached % 3 === 0 ? 3 : 0))
  }
  const [started] = await child(broken)
  expect(stepOf(started!)).toBeGreaterThan(0)
  for (const file of ['model.safetensors', 'training.safetensors', 'training.json']) {
    expect(readFileSync(join(broken, `step-${steps}`, file)).equals(readFileSync(join(whole, `step-${steps}`, file)))).toBe(true)
  }
})
