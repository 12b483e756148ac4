import { open, realpath } from 'node:fs/promises'
import { type ByteSource, checkRange } from '../base/byte-source.ts'
import { DisposedError } from '../base/errors.ts'
import { withPath } from './file-errors.ts'
import { readFully, regularFileSize } from './files.ts'

/**
 * Opens a regular file to read pieces of it; close it with `await using` or `file[Symbol.asyncDispose]()`.
 *
 * Reading throws DataError when the file became shorter, and DisposedError after closing.
 *
 * @throws DataError when the file cannot be opened or is not a regular file.
 * @example
 * await using file = await openFileSource('model.gguf')
 * const magic = await file.read(0, 4)
 */
export async function openFileSource(path: string): Promise<ByteSource & AsyncDisposable> {
  // Looked at before it is opened, which would wait for ever on a pipe.
  await regularFileSize(path)
  const file = await withPath('open', path, () => open(path, 'r'))
  const { size: byteLength } = await withPath('open', path, () => file.stat())
  let isOpen = true
  return {
    name: path,
    path: await withPath('open', path, () => realpath(path)),
    byteLength,
    async read(offset, length) {
      if (!isOpen) throw new DisposedError(`'${path}' is closed`)
      checkRange(path, byteLength, offset, length)
      return withPath('read', path, async () => readFully(file, path, { offset, bytes: new Uint8Array(length) }))
    },
    async [Symbol.asyncDispose]() {
      if (!isOpen) return
      isOpen = false
      await file.close()
    },
  }
}
