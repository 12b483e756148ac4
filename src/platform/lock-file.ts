import { randomUUID } from 'node:crypto'
import { link, open, readFile, rename, rm } from 'node:fs/promises'
import { hostname } from 'node:os'
import * as v from 'valibot'
import { BusyError } from '../base/errors.ts'
import { codeOf, withPath } from './file-errors.ts'

/** Who holds a lock: enough to tell a living owner from a number that another process got meanwhile. */
const ownerSchema = v.strictObject({
  host: v.string(),
  pid: v.pipe(v.number(), v.safeInteger(), v.minValue(1)),
  /** When the process started, as its system counts; null where that cannot be told. */
  started: v.nullable(v.string()),
})

type Owner = v.InferOutput<typeof ownerSchema>

/**
 * Keeps other processes from what `path` stands for until it is disposed. The lock of a process of this machine that was killed is taken
 * over.
 * @throws BusyError when another process, or this one, holds it; DataError when the file cannot be written.
 */
export async function holdLock(path: string): Promise<AsyncDisposable> {
  return withLock(path, async () => {
    const own = await ownerOf(process.pid)
    const draft = `${path}.${randomUUID()}`
    const text = JSON.stringify(own)
    try {
      await writeDurably(draft, text)
      // A link fails where there is a file, and never shows a part of one.
      while (!(await linked(draft, path))) await clearStale(path)
    } finally {
      await rm(draft, { force: true })
    }
    return { [Symbol.asyncDispose]: () => rm(path, { force: true }) }
  })
}

async function withLock<T>(path: string, work: () => Promise<T>): Promise<T> {
  try {
    return await work()
  } catch (error) {
    if (error instanceof BusyError) throw error
    return withPath('lock', path, () => Promise.reject(error))
  }
}

async function writeDurably(path: string, text: string): Promise<void> {
  const file = await open(path, 'wx')
  try {
    await file.writeFile(text)
  } finally {
    await file.close()
  }
}

async function linked(from: string, to: string): Promise<boolean> {
  try {
    await link(from, to)
    return true
  } catch (error) {
    if (codeOf(error) === 'EEXIST') return false
    throw error
  }
}

/** Takes a dead owner's lock away; throws BusyError when the owner lives, or may live. */
async function clearStale(path: string): Promise<void> {
  const text = await textOf(path)
  if (text === undefined) return
  const owner = parsed(text)
  if (owner === undefined || (await mayLive(owner))) throw held(path, owner)
  const aside = `${path}.${randomUUID()}`
  await rename(path, aside).catch((error: unknown) => {
    if (codeOf(error) !== 'ENOENT') throw error
  })
  const moved = await textOf(aside)
  // Another process may have been faster: then its living lock was moved, and goes back.
  if (moved !== undefined && moved !== text) await linked(aside, path)
  await rm(aside, { force: true })
}

function held(path: string, owner: Owner | undefined): BusyError {
  const who = owner === undefined ? 'another process' : `process ${owner.pid} of '${owner.host}'`
  return new BusyError(`'${path}' is held by ${who}`, { fix: 'wait until it has ended; if it has, remove the file' })
}

async function textOf(path: string): Promise<string | undefined> {
  try {
    return await readFile(path, 'utf8')
  } catch (error) {
    if (codeOf(error) === 'ENOENT') return undefined
    throw error
  }
}

function parsed(text: string): Owner | undefined {
  try {
    return v.parse(ownerSchema, JSON.parse(text))
  } catch {
    return undefined
  }
}

async function mayLive({ host, pid, started }: Owner): Promise<boolean> {
  if (host !== hostname()) return true
  if (!isRunning(pid)) return false
  const now = await startOf(pid)
  return now === null || started === null || now === started
}

function isRunning(pid: number): boolean {
  try {
    process.kill(pid, 0)
    return true
  } catch (error) {
    return codeOf(error) !== 'ESRCH'
  }
}

async function ownerOf(pid: number): Promise<Owner> {
  return { host: hostname(), pid, started: await startOf(pid) }
}

/** On Linux: the boot, and the ticks from it to the start of the process (field 22 of proc(5)'s stat, counted behind the name). */
async function startOf(pid: number): Promise<string | null> {
  try {
    const [boot, stat] = await Promise.all([
      readFile('/proc/sys/kernel/random/boot_id', 'utf8'),
      readFile(`/proc/${pid}/stat`, 'utf8'),
    ])
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
    // Field 3, the first behind the name, is the state: a process that has ended but was not waited for holds nothing.
    if (fields[0] === 'Z') return 'ended'
    return fields[19] === undefined ? null : `${boot.trim()} ${fields[19]}`
  } catch {
    return null
  }
}
