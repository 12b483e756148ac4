import { execFileSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, readdirSync, rmSync, truncateSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { DataError, DisposedError } from '../../../src/base/errors.ts'
import { openFileSource } from '../../../src/platform/index.ts'

let root: string
let path: string
beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'nextx-source-'))
  path = join(root, 'file')
  writeFileSync(
    path,
    Uint8Array.from({ length: 100 }, (_, index) => index),
  )
})
afterEach(() => rmSync(root, { recursive: true }))

test('reads pieces in any order, several at once', async () => {
  await using file = await openFileSource(path)
  expect(file).toMatchObject({ name: path, path, byteLength: 100 })
  const pieces = await Promise.all([file.read(98, 2), file.read(0, 3), file.read(50, 0), file.read(0, 100)])
  expect(pieces.map((piece) => [...piece.subarray(0, 3)])).toEqual([[98, 99], [0, 1, 2], [], [0, 1, 2]])
})

test('the path of a relative name is absolute', async () => {
  await using file = await openFileSource('package.json')
  expect(file.name).toBe('package.json')
  expect(file.path).toBe(join(process.cwd(), 'package.json'))
})

test.each([
  ['beyond the end', 99, 2],
  ['from beyond the end', 101, 0],
  ['from before the start', -1, 2],
  ['a negative length', 5, -1],
  ['from within a byte', 0.5, 1],
  ['no number', Number.NaN, 1],
])('a piece %s is refused', async (_name, offset, length) => {
  await using file = await openFileSource(path)
  await expect(file.read(offset, length)).rejects.toThrow(DataError)
  await expect(file.read(offset, length)).rejects.toThrow(/cannot read .* of '.*file'; expected a part of its 100/)
})

test('a file that becomes shorter is noticed', async () => {
  await using file = await openFileSource(path)
  truncateSync(path, 50)
  expect(await file.read(0, 50)).toHaveLength(50)
  await expect(file.read(49, 2)).rejects.toThrow(DataError)
  await expect(file.read(49, 2)).rejects.toThrow(/became shorter/)
})

test('nothing is read after closing, which may be done twice and leaves no file open', async () => {
  const file = await openFileSource(path)
  await file[Symbol.asyncDispose]()
  await file[Symbol.asyncDispose]()
  await expect(file.read(0, 1)).rejects.toThrow(DisposedError)
  if (process.platform !== 'linux') return
  const before = readdirSync('/proc/self/fd').length
  for (let count = 0; count < 20; count++) await (await openFileSource(path))[Symbol.asyncDispose]()
  expect(readdirSync('/proc/self/fd').length).toBeLessThan(before + 10)
})

test('only regular files are opened', async () => {
  mkdirSync(join(root, 'folder'))
  await expect(openFileSource(join(root, 'folder'))).rejects.toThrow(/it is a folder/)
  await expect(openFileSource(join(root, 'none'))).rejects.toThrow(DataError)
  if (process.platform === 'win32') return
  execFileSync('mkfifo', [join(root, 'pipe')])
  await expect(openFileSource(join(root, 'pipe'))).rejects.toThrow(/not a regular file/)
  await expect(openFileSource('/dev/zero')).rejects.toThrow(/not a regular file/)
})
