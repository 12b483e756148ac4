import { readFileSync } from 'node:fs'
import { availableParallelism, cpus, freemem, totalmem } from 'node:os'

export interface Machine {
  readonly processor: string
  /** Logical cores that the process may use. */
  readonly logicalCores: number
  /** Physical cores that the process may use, as far as the system tells; what `threads` defaults to. */
  readonly physicalCores: number
  /** Bytes. */
  readonly totalMemory: number
  /** Bytes. */
  readonly freeMemory: number
}

export function describeMachine(): Machine {
  return {
    processor: cpus()[0]?.model.trim() || 'unknown',
    logicalCores: availableParallelism(),
    physicalCores: physicalCores(),
    totalMemory: totalmem(),
    freeMemory: freemem(),
  }
}

/** Hyperthreads share one core's arithmetic units, and a container may hold fewer cores than the machine has. */
export function physicalCores(read: (path: string) => string | undefined = readSystemFile): number {
  const logical = availableParallelism()
  const cores = Math.ceil(logical / threadsPerCore(read))
  return Math.max(1, Math.min(cores, quota(read)))
}

/** Linux lists a core's logical processors as `0,4` or `0-1`. */
function threadsPerCore(read: (path: string) => string | undefined): number {
  const siblings = read('/sys/devices/system/cpu/cpu0/topology/thread_siblings_list')
  if (siblings !== undefined) return countList(siblings)
  return process.arch === 'x64' && process.platform !== 'linux' ? 2 : 1
}

function countList(list: string): number {
  const sizes = list.split(',').map((part) => {
    const [first = 0, last = first] = part.split('-').map(Number)
    return last - first + 1
  })
  const count = sizes.reduce((total, size) => total + size, 0)
  return Number.isInteger(count) && count >= 1 ? count : 1
}

/** Cores that a Linux control group grants: `<microseconds> <per microseconds>` or `max …`. */
function quota(read: (path: string) => string | undefined): number {
  const [time, period] = (read('/sys/fs/cgroup/cpu.max') ?? '').trim().split(' ').map(Number)
  return time !== undefined && period !== undefined && time > 0 && period > 0 ? Math.ceil(time / period) : Number.POSITIVE_INFINITY
}

function readSystemFile(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8').trim()
  } catch {
    return undefined
  }
}
