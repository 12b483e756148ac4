/** Where a node was made. The stack is captured cheaply and only formatted when somebody asks. */
export interface Site {
  readonly stack?: string
}

interface StackCapture {
  captureStackTrace?(target: object, until?: (...parameters: never[]) => unknown): void
  stackTraceLimit?: number
}

/** Deep enough to leave nested modules. */
const deepest = 24

/** The folder of this package's modules, as frames may name it: a file URL, or a path. */
const root = plain(new URL('..', import.meta.url).href)

export function captureSite(): Site {
  const site: Site = {}
  const capture = Error as StackCapture
  const limit = capture.stackTraceLimit
  // Where Error is frozen, its own limit applies.
  Reflect.set(capture, 'stackTraceLimit', deepest)
  capture.captureStackTrace?.(site, captureSite)
  Reflect.set(capture, 'stackTraceLimit', limit)
  return site
}

/** `file:line:column` of the first frame outside this package, or of the outermost one inside it. */
export function siteLine(site: Site): string | undefined {
  const places = (site.stack ?? '').split('\n').flatMap((line) => placeOf(line) ?? [])
  return places.find((place) => !plain(place).startsWith(root)) ?? places.at(-1)
}

/** The place in a frame: `at name (place)` or `at place`. Frames of the engine itself have none. */
function placeOf(frame: string): string | undefined {
  const named = frame.match(/^\s+at .*? \((.+:\d+:\d+)\)$/)?.[1]
  const place = named ?? frame.match(/^\s+at (?:async )?(.+:\d+:\d+)$/)?.[1]
  return place?.startsWith('node:') ? undefined : place
}

/** Paths and file URLs of one file alike: decoded, with slashes, without scheme and first slash. */
function plain(place: string): string {
  return decode(place)
    .replaceAll('\\', '/')
    .replace(/^file:\/\//, '')
    .replace(/^\/+/, '')
}

function decode(place: string): string {
  try {
    return decodeURIComponent(place)
  } catch {
    return place
  }
}
