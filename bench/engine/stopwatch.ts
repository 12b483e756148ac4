/** How long something took, in ms. */
export interface Duration {
  readonly clock: number
  /** Of the processor, all threads together: steadier than the clock where the machine is shared. */
  readonly processor: number
}

/** Tells the time since it was called, or since it was last asked. */
export function stopwatch(): () => Duration {
  let [clock, used] = [performance.now(), process.cpuUsage()]
  return () => {
    const { user, system } = process.cpuUsage(used)
    const now = performance.now()
    const duration = { clock: now - clock, processor: (user + system) / 1e3 }
    ;[clock, used] = [now, process.cpuUsage()]
    return duration
  }
}
