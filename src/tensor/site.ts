/** Where a node was made. The stack is captured cheaply and only formatted when somebody asks. */
export interface Site {
  readonly stack?: string
}

interface StackCapture {
  captureStackTrace?(target: object, until?: (...parameters: never[]) => unknown): void
}

// Files of the compiler itself: frames in them are not the caller's line.
const ownFrames = /[\\/](?:src|dist)[\\/](?:tensor|nn|heads)[\\/]/

export function captureSite(): Site {
  const site: Site = {}
  ;(Error as StackCapture).captureStackTrace?.(site, captureSite)
  return site
}

/** `file:line:column` of the first frame outside the compiler, or of the outermost one inside it. */
export function siteLine(site: Site): string | undefined {
  const frames = (site.stack ?? '').split('\n').filter((line) => /^\s+at /.test(line))
  const frame = frames.find((line) => !ownFrames.test(line)) ?? frames.at(-1)
  return frame?.match(/\(?((?:file:\/\/)?[^()\s]+:\d+:\d+)\)?$/)?.[1]
}
