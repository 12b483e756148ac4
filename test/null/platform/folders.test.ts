import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { DataError } from '../../../src/base/errors.ts'
import { currentFolder, listFolders, removeFolder, removeUnfinished, writeFolderAtomic } from '../../../src/platform/folders.ts'

let root: string
beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'nextx-folders-'))
})
afterEach(() => rmSync(root, { recursive: true }))

const contents = (folder: string) =>
  Object.fromEntries(readdirSync(folder).map((name) => [name, readFileSync(join(folder, name), 'utf8')]))
const bytes = (text: string) => new TextEncoder().encode(text)

test('writes text, bytes and pieces, in folders that did not exist, and leaves nothing else', async () => {
  const path = join(root, 'a', 'b')
  await writeFolderAtomic(
    path,
    new Map<string, string | Uint8Array | Uint8Array[]>([
      ['t', 'é'],
      ['u', bytes('u')],
      ['p', [bytes('1'), bytes('2')]],
    ]),
  )
  expect(contents(path)).toEqual({ t: 'é', u: 'u', p: '12' })
  expect(readdirSync(join(root, 'a'))).toEqual(['b'])
})

test('replaces a folder as a whole: files that the new one lacks are refused, not kept or lost', async () => {
  const path = join(root, 'model')
  mkdirSync(path)
  await writeFolderAtomic(path, new Map([['a', '1']]))
  await writeFolderAtomic(
    path,
    new Map([
      ['a', '2'],
      ['b', '3'],
    ]),
  )
  expect(contents(path)).toEqual({ a: '2', b: '3' })
  await expect(writeFolderAtomic(path, new Map([['a', '4']]))).rejects.toThrow(/'b', which would be lost/)
  mkdirSync(join(path, 'c'))
  await expect(
    writeFolderAtomic(
      path,
      new Map([
        ['a', '4'],
        ['b', '4'],
        ['c', '4'],
      ]),
    ),
  ).rejects.toThrow(DataError)
  expect(readFileSync(join(path, 'a'), 'utf8')).toBe('2')
  expect(readdirSync(root)).toEqual(['model'])
})

test.each(['', '..', 'a/b', '..\\a', 'c:d', 'a\0'])('refuses the file name %j', async (name) => {
  await expect(writeFolderAtomic(join(root, 'x'), new Map([[name, '']]))).rejects.toThrow(DataError)
  expect(readdirSync(root)).toEqual([])
})

test('a replacement that was cut off between its two renames is found, and finished by the next', async () => {
  const path = join(root, 'model')
  await writeFolderAtomic(path, new Map([['a', 'old']]))
  renameSync(path, join(root, '.model.former'))
  expect(readFileSync(join(await currentFolder(path), 'a'), 'utf8')).toBe('old')
  await writeFolderAtomic(path, new Map([['a', 'new']]))
  expect(contents(path)).toEqual({ a: 'new' })
  expect(readdirSync(root)).toEqual(['model'])
})

test('a replacement that was cut off before it cleaned up has happened', async () => {
  const path = join(root, 'model')
  await writeFolderAtomic(path, new Map([['a', 'new']]))
  mkdirSync(join(root, '.model.former'))
  writeFileSync(join(root, '.model.former', 'a'), 'old')
  expect(await currentFolder(path)).toBe(path)
  await writeFolderAtomic(path, new Map([['a', 'newer']]))
  expect(readdirSync(root)).toEqual(['model'])
})

test('lists and removes folders', async () => {
  for (const name of ['b', 'a']) await writeFolderAtomic(join(root, name), new Map([['f', '']]))
  writeFileSync(join(root, 'file'), '')
  expect((await listFolders(root)).sort()).toEqual(['a', 'b'])
  expect(await listFolders(join(root, 'none'))).toEqual([])
  await removeFolder(join(root, 'a'))
  await removeFolder(join(root, 'a'))
  expect(readdirSync(root).sort()).toEqual(['b', 'file'])
  await expect(currentFolder(join(root, 'a'))).rejects.toThrow(/no such file/)
})

test('removes what killed writers left, and nothing else', async () => {
  const left = join(root, '.step-3.0e37df36-f698-11e6-8dd4-cb9ced3df976.unfinished')
  mkdirSync(left)
  writeFileSync(join(left, 'model.safetensors'), 'half')
  mkdirSync(join(root, '.git'))
  mkdirSync(join(root, 'mine.unfinished'))
  await removeUnfinished(root)
  expect(existsSync(left)).toBe(false)
  expect(readdirSync(root).sort()).toEqual(['.git', 'mine.unfinished'])
})
