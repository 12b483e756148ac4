import { existsSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { setTimeout as wait } from 'node:timers/promises'
import { expect, test } from 'vitest'
import { runBatch } from '../../../src/batch/index.ts'
import { exitOf, spawnScript } from './spawn-script.ts'
import { batchLines, stubService } from './stub-service.ts'
import { temporaryFolder } from './temporary-folder.ts'

test('a process that is killed again and again ends with the output of one that is not', { timeout: 120_000 }, async () => {
  const path = temporaryFolder()
  const [input, output] = [path('in.jsonl'), path('out.jsonl')]
  writeFileSync(
    input,
    batchLines(60, (index) => index % 9 === 0),
  )
  await runBatch({ service: stubService(), input, output: path('whole.jsonl') })
  let [kills, kept] = [0, 0]
  while (!existsSync(output)) {
    const child = spawnScript('batch-process.ts', { role: 'run', input, output, delay: 20 })
    const ended = exitOf(child)
    // Killed when it has written something, in the midst of whatever it does.
    const killed = (async () => {
      while (child.exitCode === null && sizeOf(`${output}.part`) <= kept + 3400) await wait(2)
      await wait(kills % 7)
      return child.kill('SIGKILL')
    })()
    await Promise.all([ended, killed])
    expect(existsSync(output) || sizeOf(`${output}.part`) > kept).toBe(true)
    kept = sizeOf(`${output}.part`)
    kills++
  }
  expect(kills).toBeGreaterThan(3)
  expect(await runBatch({ service: stubService(), input, output })).toEqual({ total: 60, done: 60, failed: 7 })
  expect(readFileSync(output, 'utf8')).toBe(readFileSync(path('whole.jsonl'), 'utf8'))
})

function sizeOf(path: string): number {
  return existsSync(path) ? statSync(path).size : 0
}
