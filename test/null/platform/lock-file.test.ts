import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { hostname, tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, onTestFinished, test } from 'vitest'
import { BusyError, DataError } from '../../../src/base/errors.ts'
import { holdLock } from '../../../src/platform/lock-file.ts'

function folderOfTest(): string {
  const folder = mkdtempSync(join(tmpdir(), 'nextx-lock-'))
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }))
  return folder
}

async function deadPid(): Promise<number> {
  const child = spawn(process.execPath, ['--version'], { stdio: 'ignore' })
  await once(child, 'exit')
  return child.pid!
}

test('one holder at a time; nothing is left behind', async () => {
  const folder = folderOfTest()
  const path = join(folder, 'lock')
  const first = await holdLock(path)
  await expect(holdLock(path)).rejects.toThrow(new RegExp(`is held by process ${process.pid} of '`))
  await first[Symbol.asyncDispose]()
  const second = await holdLock(path)
  expect(readdirSync(folder)).toEqual(['lock'])
  await second[Symbol.asyncDispose]()
  expect(readdirSync(folder)).toEqual([])
})

test('of many who want it at once, one gets it; also when a dead one left it', async () => {
  const folder = folderOfTest()
  const path = join(folder, 'lock')
  for (const left of [undefined, { host: hostname(), pid: await deadPid(), started: null }]) {
    if (left !== undefined) writeFileSync(path, JSON.stringify(left))
    const outcomes = await Promise.allSettled(Array.from({ length: 8 }, () => holdLock(path)))
    const held = outcomes.filter((outcome) => outcome.status === 'fulfilled')
    const refused = outcomes.filter((outcome) => outcome.status === 'rejected')
    expect(held.length).toBe(1)
    for (const { reason } of refused) expect(reason).toBeInstanceOf(BusyError)
    expect(readdirSync(folder)).toEqual(['lock'])
    await held[0]!.value[Symbol.asyncDispose]()
  }
})

test.skipIf(!existsSync('/proc/self/stat'))('a number that another process got meanwhile is no owner', async () => {
  const path = join(folderOfTest(), 'lock')
  const first = await holdLock(path)
  const owner = JSON.parse(readFileSync(path, 'utf8')) as { pid: number; started: string }
  await first[Symbol.asyncDispose]()
  writeFileSync(path, JSON.stringify({ ...owner, started: `${owner.started}0` }))
  await (await holdLock(path))[Symbol.asyncDispose]()
})

test('an owner on another machine, and a file that is no lock, are left alone', async () => {
  const path = join(folderOfTest(), 'lock')
  for (const text of [JSON.stringify({ host: 'elsewhere', pid: 1, started: null }), 'mine']) {
    writeFileSync(path, text)
    await expect(holdLock(path)).rejects.toBeInstanceOf(BusyError)
    expect(readFileSync(path, 'utf8')).toBe(text)
  }
})

test('a folder that is not there', async () => {
  await expect(holdLock(join(folderOfTest(), 'none', 'lock'))).rejects.toBeInstanceOf(DataError)
})
