import { access, type FileHandle, mkdir, open, rm, stat, writeFile } from 'node:fs/promises'
import { resolve } from 'node:path'
import { convertPathToPattern, glob } from 'tinyglobby'
import writeAtomically from 'write-file-atomic'
import { DataError, OptionError } from '../base/errors.ts'
import { codeOf, withPath } from './file-errors.ts'

// One read call of the system takes less than 2 GiB.
const longestRead = 2 ** 28 // bytes

/**
 * The bytes of a regular file, in memory of their own.
 * @param options `maxBytes`: refuse a longer file before any of it is read.
 * @throws DataError when the file cannot be read, is not a regular file, is too long, or becomes shorter meanwhile.
 */
export async function readFileBytes(path: string, { maxBytes }: { maxBytes?: number } = {}): Promise<Uint8Array<ArrayBuffer>> {
  return withPath('read', path, async () => {
    const size = await regularFileSize(path)
    if (maxBytes !== undefined && size > maxBytes) {
      throw new DataError(`'${path}' has ${size} bytes`, { expected: `at most ${maxBytes}` })
    }
    const bytes = new Uint8Array(size)
    await fill(bytes, path)
    return bytes
  })
}

/**
 * Size in bytes.
 * @throws DataError for anything but a regular file: a pipe would wait for ever, a device would never end.
 */
export async function regularFileSize(path: string): Promise<number> {
  const found = await withPath('read', path, () => stat(path))
  if (found.isDirectory()) throw new DataError(`cannot read '${path}': it is a folder`)
  if (!found.isFile()) throw new DataError(`cannot read '${path}': it is not a regular file`)
  return found.size
}

async function fill(bytes: Uint8Array, path: string): Promise<void> {
  const file = await open(path, 'r')
  try {
    await readFully(file, path, { offset: 0, bytes })
  } finally {
    await file.close()
  }
}

/**
 * Fills `bytes` from byte `offset` of an open file.
 * @throws DataError when the file ends before.
 */
export async function readFully<Bytes extends Uint8Array>(
  file: FileHandle,
  path: string,
  { offset, bytes }: { offset: number; bytes: Bytes },
): Promise<Bytes> {
  for (let filled = 0; filled < bytes.length; ) {
    const { bytesRead } = await file.read(bytes, filled, Math.min(bytes.length - filled, longestRead), offset + filled)
    if (bytesRead === 0) throw new DataError(`'${path}' became shorter while it was read`)
    filled += bytesRead
  }
  return bytes
}

/**
 * Replaces a file as a whole: a reader, or the next start after a crash, finds the old content or the new, never a part. The content
 * is on the disk when the promise resolves. Text is written as UTF-8; chunks need not fit into memory together.
 * @throws DataError when the file cannot be written; the old one is then as it was.
 */
export async function writeFileAtomic(path: string, data: string | Uint8Array | AsyncIterable<Uint8Array>): Promise<void> {
  // write-file-atomic would write with a single system call and ignore what the disk did not take, so it gets an empty file filled.
  const tmpfileCreated = (temporary: string): Promise<void> => writeThrough(temporary, data)
  await withPath('write', path, () => writeAtomically(path, '', { fsync: true, tmpfileCreated }))
}

async function writeThrough(path: string, data: string | Uint8Array | AsyncIterable<Uint8Array>): Promise<void> {
  const file = await open(path, 'r+')
  try {
    await writeFile(file, data)
  } finally {
    await file.close()
  }
}

/**
 * Adds one line at the end of a file, which is made when it is missing. A last line that a crash cut short keeps a line of its own.
 * @throws OptionError when the text has a line break; DataError when the file cannot be written.
 */
export async function appendLine(path: string, line: string): Promise<void> {
  if (/[\n\r]/.test(line)) throw new OptionError('a line to append has a line break in it')
  await withPath('write', path, async () => {
    const file = await open(path, 'a+')
    try {
      const { size } = await file.stat()
      const { buffer, bytesRead } = await file.read(new Uint8Array(1), 0, 1, Math.max(0, size - 1))
      const torn = bytesRead === 1 && buffer[0] !== 10
      await file.appendFile(`${torn ? '\n' : ''}${line}\n`)
    } finally {
      await file.close()
    }
  })
}

/**
 * Removes a file; one that is missing is left alone.
 * @throws DataError
 */
export async function removeFile(path: string): Promise<void> {
  await withPath('remove', path, () => rm(path, { force: true }))
}

/**
 * When a file was last written, in seconds since 1970.
 * @throws DataError when it cannot be looked at.
 */
export async function writtenAt(path: string): Promise<number> {
  return Math.floor((await withPath('read', path, () => stat(path))).mtimeMs / 1000)
}

/**
 * Makes a folder and those above it; one that exists is left alone.
 * @throws DataError
 */
export async function makeDirectory(path: string): Promise<void> {
  await withPath('make the folder', path, () => mkdir(path, { recursive: true }))
}

/**
 * Whether there is a file or folder of that name.
 * @throws DataError when that cannot be told, as in a folder that may not be looked into.
 */
export async function exists(path: string): Promise<boolean> {
  try {
    await access(path)
    return true
  } catch (error) {
    const code = codeOf(error)
    if (code === 'ENOENT' || code === 'ENOTDIR') return false
    return withPath('look for', path, () => Promise.reject(error))
  }
}

/**
 * Whether there is something of that name that is no folder.
 * @throws DataError when that cannot be told.
 */
export async function isFile(path: string): Promise<boolean> {
  if (!(await exists(path))) return false
  return withPath('look for', path, async () => !(await stat(path)).isDirectory())
}

/**
 * Absolute paths of the files that any of the patterns matches, each once, in the order of their UTF-16 codes. The name of a file or
 * folder that exists is taken as it stands, whatever signs are in it; a folder stands for all files under it. A pattern that begins
 * with `!` takes files out.
 * @throws DataError when a pattern matches nothing.
 */
export async function listFiles(patterns: readonly string[], { folder = '.' }: { folder?: string } = {}): Promise<string[]> {
  const ignore = patterns.filter((pattern) => pattern.startsWith('!')).map((pattern) => pattern.slice(1))
  const found = new Set<string>()
  for (const pattern of patterns.filter((candidate) => !candidate.startsWith('!'))) {
    const files = await matches(pattern, folder, ignore)
    if (files.length === 0)
      throw new DataError(`no file matches '${pattern}'`, { fix: 'check the name, and the folder it starts from' })
    for (const file of files) found.add(file)
  }
  return [...found].sort((a, b) => (a < b ? -1 : 1))
}

async function matches(pattern: string, folder: string, ignore: readonly string[]): Promise<string[]> {
  return withPath('list', pattern, async () => {
    const literal = await exists(resolve(folder, pattern))
    return glob(literal ? convertPathToPattern(pattern) : pattern, { cwd: folder, ignore, absolute: true })
  })
}
