import process from 'node:process'
import { SingleBar } from 'cli-progress'

export interface Bar {
  /** `details` follows the counts. */
  show(done: number, total: number, details?: string): void
  /** Takes the bar off the screen. */
  close(): void
}

/** A bar on stderr, which shows from the first `show` on; nothing at all when stderr is no terminal. */
export function openBar(what: string, unit: string): Bar {
  if (!process.stderr.isTTY) return { show: () => undefined, close: () => undefined }
  const format = `${what} {bar} {percentage}% {value}/{total} ${unit} {details}`
  const bar = new SingleBar({
    format,
    barsize: 24,
    barCompleteChar: '█',
    barIncompleteChar: '░',
    hideCursor: true,
    clearOnComplete: true,
  })
  return {
    show(done, total, details = '') {
      if (bar.isActive) bar.update(done, { details })
      else bar.start(total, done, { details })
    },
    close: () => bar.stop(),
  }
}
