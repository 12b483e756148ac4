import { rmSync } from 'node:fs'
import { mkdtemp, open, readdir, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { ByteRange } from '../base/byte-source.ts'
import { codeOf, withPath } from './file-errors.ts'
import { openFileSource } from './file-source.ts'

/** A file that is filled, then mapped by the runtime, and gone with its owner. */
export interface ScratchFile extends AsyncDisposable {
  /** Writes pieces one behind the other. */
  append(pieces: readonly Uint8Array[]): Promise<Pick<ByteRange, 'byteOffset' | 'byteLength'>>
  /** What was written, as a source of bytes, when no more will come. */
  finish(): Promise<ByteRange['source']>
}

/** Followed by the number of the process. */
const prefix = 'nextx-weights-'

/** Folders of processes that were killed: only those can have left some. */
async function removeStale(): Promise<void> {
  const names = await readdir(tmpdir()).catch(() => [])
  const owned = names.flatMap((name) =>
    name.startsWith(prefix) ? [{ name, owner: Number.parseInt(name.slice(prefix.length), 10) }] : [],
  )
  for (const { name, owner } of owned)
    if (!isAlive(owner)) await rm(join(tmpdir(), name), { recursive: true, force: true }).catch(() => undefined)
}

function isAlive(owner: number): boolean {
  try {
    return !Number.isInteger(owner) || process.kill(owner, 0)
  } catch (error) {
    return codeOf(error) !== 'ESRCH'
  }
}

/** Until the function that comes back is called. */
function removeAtExit(folder: string): () => void {
  const remove = () => rmSync(folder, { recursive: true, force: true })
  process.setMaxListeners(process.getMaxListeners() + 1)
  process.once('exit', remove)
  return () => {
    process.off('exit', remove)
    process.setMaxListeners(process.getMaxListeners() - 1)
  }
}

/** Maps begin at pages. */
const alignment = 4096

/**
 * A file in the system's temporary folder (TMPDIR). Removed on disposal, and at the end of the process; what a killed process left is removed by the next
 * one that makes such a file.
 * @throws DataError when it cannot be made or written
 */
export async function openScratchFile(): Promise<ScratchFile> {
  await removeStale()
  const folder = await withPath('make a folder in', tmpdir(), () => mkdtemp(join(tmpdir(), `${prefix}${process.pid}-`)))
  const release = removeAtExit(folder)
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
      release()
      await source?.[Symbol.asyncDispose]()
      await file.close().catch(() => undefined)
      await rm(folder, { recursive: true, force: true })
    },
  }
}
