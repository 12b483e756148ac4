import { type FileHandle, open } from 'node:fs/promises'
import { dirname } from 'node:path'
import { withPath } from './file-errors.ts'
import { readFully } from './files.ts'
import { syncFolder } from './folders.ts'

/** A file that only grows, while what it has can be read. */
export interface AppendFile extends AsyncDisposable {
  /** Bytes that it has. */
  readonly size: number
  /** Adds text at the end, in the order of the calls, and resolves with where it begins: the system has it then, so that a kill of this process loses none. */
  append(text: string): Promise<number>
  /** Resolves when all that was added is on the disk. */
  sync(): Promise<void>
  /** Bytes that it has. */
  read(offset: number, length: number): Promise<Uint8Array>
}

/**
 * Opens a file to append to, which is made when it is missing. `keep`: bytes of it that stay; what lies behind them is cut off.
 * All methods throw DataError when the file system refuses.
 */
export async function openAppendFile(path: string, { keep }: { keep: number }): Promise<AppendFile> {
  return withPath('write', path, async () => {
    const file = await open(path, 'a+')
    try {
      await file.truncate(keep)
      await file.sync()
      await syncFolder(dirname(path))
    } catch (error) {
      await file.close()
      throw error
    }
    return appendFileOf(file, path, keep)
  })
}

interface Waiting {
  readonly bytes: Uint8Array
  resolve(offset: number): void
  reject(error: unknown): void
}

function appendFileOf(file: FileHandle, path: string, keep: number): AppendFile {
  let size = keep
  let waiting: Waiting[] = []
  let writing: Promise<void> | undefined
  // After a failure the end of the file is unknown, so that everything behind it fails too.
  let failure: { readonly error: unknown } | undefined
  const writeAll = async () => {
    while (waiting.length > 0) {
      const group = waiting
      waiting = []
      try {
        if (failure !== undefined) throw failure.error
        await withPath('write', path, () => file.appendFile(Buffer.concat(group.map(({ bytes }) => bytes))))
      } catch (error) {
        failure ??= { error }
        for (const { reject } of group) reject(error)
        continue
      }
      for (const { bytes, resolve } of group) {
        resolve(size)
        size += bytes.length
      }
    }
    writing = undefined
  }
  return {
    get size() {
      return size
    },
    append: (text) =>
      new Promise((resolve, reject) => {
        waiting.push({ bytes: Buffer.from(text), resolve, reject })
        writing ??= writeAll()
      }),
    sync: () => withPath('write', path, () => file.datasync()),
    read: (offset, length) => withPath('read', path, () => readFully(file, path, { offset, bytes: new Uint8Array(length) })),
    async [Symbol.asyncDispose]() {
      await writing
      await file.close()
    },
  }
}
