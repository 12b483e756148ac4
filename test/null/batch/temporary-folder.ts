import { existsSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { onTestFinished } from 'vitest'

/** In memory where the system has that: hundreds of runs that put all on the disk would wait for it. */
const parent = existsSync('/dev/shm') ? '/dev/shm' : tmpdir()

/** A folder that is gone with the test; paths in it. */
export function temporaryFolder(): (name: string) => string {
  const folder = mkdtempSync(join(parent, 'nextx-batch-'))
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }))
  return (name) => join(folder, name)
}
