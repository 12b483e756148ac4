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

function appendFileOf(file: FileHandle, path: string, keep: number): AppendFile {
  let size = keep
  let last: Promise<unknown> = Promise.resolve()
  return {
    get size() {
      return size
    },
    append(text) {
      const bytes = Buffer.from(text)
      const write = last.then(async () => {
        const offset = size
        await withPath('write', path, () => file.appendFile(bytes))
        size += bytes.length
        return offset
      })
      // After a failure the end of the file is unknown, so that everything behind it fails too.
      last = write
      write.catch(() => undefined)
      return write
    },
    sync: () => withPath('write', path, () => file.datasync()),
    read: (offset, length) => withPath('read', path, () => readFully(file, path, { offset, bytes: new Uint8Array(length) })),
    async [Symbol.asyncDispose]() {
      await last.catch(() => undefined)
      await file.close()
    },
  }
}
