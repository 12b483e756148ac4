import { type ByteSource, checkRange, memorySource } from '../base/byte-source.ts'
import { DataError, DisposedError } from '../base/errors.ts'
import { withPath } from './file-errors.ts'
import { collectBytes, fetchFile } from './web-response.ts'

// In a browser this module stands in for file-source.ts: a path is a URL.

/**
 * Opens the file at a URL to read pieces of it, by range requests; a file on a server that knows none is read as a whole now.
 *
 * Reading throws DataError when the server does not give the piece, and DisposedError after closing.
 *
 * @throws DataError when the server does not have the file.
 */
export async function openFileSource(path: string): Promise<ByteSource & AsyncDisposable> {
  const first = await fetchFile(path, { range: 'bytes=0-0' })
  const byteLength = totalLength(first)
  if (byteLength === undefined) return closable(memorySource(await readWhole(path, first), path))
  await first.body?.cancel()
  return closable({
    name: path,
    byteLength,
    read: async (offset, length) => {
      checkRange(path, byteLength, offset, length)
      return length === 0 ? new Uint8Array(0) : readRange(path, offset, length)
    },
  })
}

/** Of `bytes 0-0/1234`; a server on another site may keep the header from the page. */
function totalLength({ status, headers }: Response): number | undefined {
  const total = status === 206 ? /^bytes 0-0\/(\d+)$/.exec(headers.get('content-range') ?? '')?.[1] : undefined
  return total === undefined ? undefined : Number(total)
}

async function readWhole(path: string, response: Response): Promise<Uint8Array> {
  if (response.status === 206) await response.body?.cancel()
  const whole = response.status === 206 ? await fetchFile(path) : response
  return withPath('read', path, () => collectBytes(whole))
}

async function readRange(path: string, offset: number, length: number): Promise<Uint8Array> {
  const response = await fetchFile(path, { range: `bytes=${offset}-${offset + length - 1}` })
  const bytes = response.status === 206 ? await withPath('read', path, () => collectBytes(response)) : undefined
  if (bytes?.length === length) return bytes
  if (bytes === undefined) await response.body?.cancel()
  throw new DataError(`the server does not give ${length} bytes at ${offset} of '${path}'`, {
    fix: 'load it again: it may have changed',
  })
}

function closable(source: ByteSource): ByteSource & AsyncDisposable {
  let isOpen = true
  return {
    ...source,
    async read(offset, length) {
      if (!isOpen) throw new DisposedError(`'${source.name}' is closed`)
      return source.read(offset, length)
    },
    async [Symbol.asyncDispose]() {
      isOpen = false
    },
  }
}
