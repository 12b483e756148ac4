import { open, realpath, stat } from 'node:fs/promises'
import { type ByteSource, checkRange } from '../base/byte-source.ts'
import { DataError, DisposedError } from '../base/errors.ts'
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
  const opened = await withPath('open', path, () => file.stat())
  const byteLength = opened.size
  const target = await withPath('open', path, () => realpath(path))
  let isOpen = true
  return {
    name: path,
    path: target,
    byteLength,
    async read(offset, length) {
      if (!isOpen) throw new DisposedError(`'${path}' is closed`)
      checkRange(path, byteLength, offset, length)
      return withPath('read', path, async () => readFully(file, path, { offset, bytes: new Uint8Array(length) }))
    },
    async checkPath() {
      const found = await withPath('read', path, () => stat(target))
      const same = (['dev', 'ino', 'size', 'mtimeMs'] as const).every((fact) => found[fact] === opened[fact])
      if (!same) throw new DataError(`'${path}' was changed since it was opened`, { fix: 'load the model again' })
    },
    async [Symbol.asyncDispose]() {
      if (!isOpen) return
      isOpen = false
      await file.close()
    },
  }
}
