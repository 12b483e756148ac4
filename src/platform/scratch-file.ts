import { rmSync } from 'node:fs'
import { mkdtemp, open, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { ByteRange } from '../base/byte-source.ts'
import { withPath } from './file-errors.ts'
import { openFileSource } from './file-source.ts'

/** A file that is filled, then mapped by the runtime, and gone with its owner. */
export interface ScratchFile extends AsyncDisposable {
  /** Writes pieces one behind the other. */
  append(pieces: readonly Uint8Array[]): Promise<Pick<ByteRange, 'byteOffset' | 'byteLength'>>
  /** What was written, as a source of bytes, when no more will come. */
  finish(): Promise<ByteRange['source']>
}

/** Maps begin at pages. */
const alignment = 4096

/**
 * A file in the system's temporary folder (TMPDIR). Removed on disposal, and at the end of the process.
 * @throws DataError when it cannot be made or written
 */
export async function openScratchFile(): Promise<ScratchFile> {
  const folder = await withPath('make a folder in', tmpdir(), () => mkdtemp(join(tmpdir(), 'nextx-weights-')))
  const removeAtExit = () => rmSync(folder, { recursive: true, force: true })
  process.once('exit', removeAtExit)
  const path = join(folder, 'weights.bin')
  const file = await withPath('write', path, () => open(path, 'w'))
  let length = 0
  let source: Awaited<ReturnType<typeof openFileSource>> | undefined
  return {
    async append(pieces) {
      const byteOffset = Math.ceil(length / alignment) * alignment
      let at = byteOffset
      for (const piece of pieces) {
        for (let done = 0; done < piece.byteLength; )
          done += (
            await withPath('write', path, () => file.write(piece, done, Math.min(piece.byteLength - done, 2 ** 28), at + done))
          ).bytesWritten
        at += piece.byteLength
      }
      length = at
      return { byteOffset, byteLength: at - byteOffset }
    },
    async finish() {
      await file.close()
      source = await openFileSource(path)
      return source
    },
    async [Symbol.asyncDispose]() {
      process.off('exit', removeAtExit)
      await source?.[Symbol.asyncDispose]()
      await file.close().catch(() => undefined)
      await rm(folder, { recursive: true, force: true })
    },
  }
}
