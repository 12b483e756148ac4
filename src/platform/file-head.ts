import { open } from 'node:fs/promises'
import { withPath } from './file-errors.ts'
import { regularFileSize } from './files.ts'

export interface FileHead {
  /** The first bytes: as many as were asked for, or the whole file when it is shorter. */
  readonly bytes: Uint8Array
  /** Bytes of the whole file. */
  readonly size: number
}

/**
 * The beginning of a regular file, for formats whose first part describes the rest.
 * @throws DataError when the file cannot be read or is not a regular file.
 */
export async function readFileHead(path: string, length: number): Promise<FileHead> {
  return withPath('read', path, async () => {
    const size = await regularFileSize(path)
    const bytes = new Uint8Array(Math.min(size, length))
    const file = await open(path, 'r')
    try {
      let filled = 0
      while (filled < bytes.length) {
        const { bytesRead } = await file.read(bytes, filled, bytes.length - filled, filled)
        if (bytesRead === 0) break
        filled += bytesRead
      }
      return { bytes: bytes.subarray(0, filled), size }
    } finally {
      await file.close()
    }
  })
}
