import { randomUUID } from 'node:crypto'
import { mkdir, open, readdir, rename, rm, writeFile } from 'node:fs/promises'
import { basename, dirname, join, resolve } from 'node:path'
import { DataError } from '../base/errors.ts'
import { codeOf, withPath } from './file-errors.ts'
import { exists } from './files.ts'

/** Text is written as UTF-8; pieces one after another. */
export type FileContent = string | Uint8Array | readonly Uint8Array[]

const unfinished = /^\..+\.[0-9a-f-]{36}\.unfinished$/

/** The path of `name` in `folder`. */
export function pathIn(folder: string, name: string): string {
  return join(folder, name)
}

/**
 * Makes a folder of files, or replaces one, as a whole: a reader, or the next start after a crash, finds all of the old files or all of
 * the new ones. They are on the disk when the promise resolves. Look a folder up with `currentFolder` before reading it.
 * @throws DataError when the folder has entries that are not about to be replaced, a name is not that of a file, or writing fails; the
 * old folder is then as it was.
 */
export async function writeFolderAtomic(path: string, files: ReadonlyMap<string, FileContent>): Promise<void> {
  for (const name of files.keys()) checkFileName(name)
  const target = resolve(path)
  const staging = join(dirname(target), `.${basename(target)}.${randomUUID()}.unfinished`)
  await withPath('write the folder', path, async () => {
    await mkdir(dirname(target), { recursive: true })
    await recover(target)
    await refuseStrangers(target, files)
    try {
      await fill(staging, files)
      await moveIntoPlace(staging, target)
    } finally {
      await rm(staging, { recursive: true, force: true })
    }
  })
}

/**
 * Where the files of `path` are: there, or (when a replacement was cut off half-way) in the folder that was being replaced.
 * @throws DataError when there is no such folder.
 */
export async function currentFolder(path: string): Promise<string> {
  if (await exists(path)) return path
  const former = formerOf(resolve(path))
  if (await exists(former)) return former
  throw new DataError(`cannot read '${path}': there is no such file or folder`)
}

/**
 * Names of the folders directly inside a folder; none when it is missing.
 * @throws DataError when it cannot be read.
 */
export async function listFolders(path: string): Promise<string[]> {
  const entries = await entriesOf(path)
  return entries.filter((entry) => entry.isDirectory()).map(({ name }) => name)
}

/**
 * Removes a folder with all it holds; a crash on the way leaves nothing under its name. One that is missing is left alone.
 * @throws DataError
 */
export async function removeFolder(path: string): Promise<void> {
  const target = resolve(path)
  const staging = join(dirname(target), `.${basename(target)}.${randomUUID()}.unfinished`)
  await withPath('remove the folder', path, async () => {
    if (!(await exists(target))) return
    await rename(target, staging)
    await rm(staging, { recursive: true, force: true })
  })
}

/**
 * Removes what writers that were killed left behind in `path`.
 * @throws DataError
 */
export async function removeUnfinished(path: string): Promise<void> {
  const left = (await listFolders(path)).filter((name) => unfinished.test(name))
  for (const name of left) await withPath('remove', name, () => rm(join(path, name), { recursive: true, force: true }))
}

function checkFileName(name: string): void {
  if (name === '' || name === '.' || name === '..' || /[/\\\0:]/.test(name)) {
    throw new DataError(`${JSON.stringify(name)} is not the name of a file`, { expected: 'a plain name, without folders' })
  }
}

async function entriesOf(path: string) {
  return withPath('list', path, async () => {
    try {
      return await readdir(path, { withFileTypes: true })
    } catch (error) {
      if (codeOf(error) === 'ENOENT') return []
      throw error
    }
  })
}

async function refuseStrangers(target: string, files: ReadonlyMap<string, FileContent>): Promise<void> {
  const stranger = (await entriesOf(target)).find((entry) => !entry.isFile() || !files.has(entry.name))
  if (stranger === undefined) return
  throw new DataError(`'${target}' holds '${stranger.name}', which would be lost`, {
    expected: `a new folder, or one that holds nothing but ${[...files.keys()].join(', ')}`,
  })
}

async function fill(folder: string, files: ReadonlyMap<string, FileContent>): Promise<void> {
  await mkdir(folder)
  for (const [name, content] of files) {
    const file = await open(join(folder, name), 'wx')
    try {
      await writeFile(file, typeof content === 'string' || content instanceof Uint8Array ? content : [...content])
      await file.sync()
    } finally {
      await file.close()
    }
  }
  await syncFolder(folder)
}

/** One system call replaces an empty folder only; another one steps aside first, where `currentFolder` finds it. */
async function moveIntoPlace(staging: string, target: string): Promise<void> {
  const former = formerOf(target)
  const replacing = (await entriesOf(target)).length > 0
  if (replacing) await rename(target, former)
  try {
    await rename(staging, target)
  } catch (error) {
    if (replacing) await rename(former, target)
    throw error
  }
  await syncFolder(dirname(target))
  if (replacing) await rm(former, { recursive: true, force: true })
}

/** Finishes what a replacement that was cut off left half-way. */
async function recover(target: string): Promise<void> {
  const former = formerOf(target)
  if (!(await exists(former))) return
  if (await exists(target)) await rm(former, { recursive: true, force: true })
  else await rename(former, target)
}

function formerOf(target: string): string {
  return join(dirname(target), `.${basename(target)}.former`)
}

/** Puts the entries of a folder on the disk, where the system has a call for that. */
export async function syncFolder(path: string): Promise<void> {
  if (process.platform === 'win32') return
  const folder = await open(path, 'r')
  try {
    await folder.sync()
  } finally {
    await folder.close()
  }
}
