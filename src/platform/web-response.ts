import { DataError } from '../base/errors.ts'
import { withPath } from './file-errors.ts'

/**
 * What the server has at a URL.
 * @param headers of the request
 * @throws DataError when it cannot be reached, has nothing there, or answers with a page.
 */
export async function fetchFile(url: string, headers: Readonly<Record<string, string>> = {}): Promise<Response> {
  return withPath('read', url, async () => {
    const response = await fetch(url, { headers })
    if (response.ok && !isPage(response, url)) return response
    await response.body?.cancel()
    throw new DataError(`cannot read '${url}': ${response.ok ? 'the server answers with a page' : statusOf(response)}`, {
      fix: 'check the URL, and that the server has the file',
    })
  })
}

/**
 * Whether the server has a file at a URL.
 * @throws DataError when it cannot be reached or answers neither yes nor no.
 */
export async function hasFile(url: string): Promise<boolean> {
  return withPath('look for', url, async () => {
    const head = await fetch(url, { method: 'HEAD' })
    const response = head.status === 405 || head.status === 501 ? await fetch(url) : head
    await response.body?.cancel()
    if (response.ok) return !isPage(response, url)
    if (response.status === 404 || response.status === 410) return false
    throw new DataError(`cannot look for '${url}': ${statusOf(response)}`)
  })
}

/**
 * The body's pieces.
 * @throws whatever ends the transfer early
 */
export async function* piecesOf({ body }: Response): AsyncGenerator<Uint8Array, void, void> {
  const reader = body?.getReader()
  if (reader === undefined) return
  try {
    for (let next = await reader.read(); !next.done; next = await reader.read()) yield next.value
  } finally {
    await reader.cancel()
  }
}

/**
 * The whole body.
 * @param check sees how many bytes there are, before they are kept
 * @throws whatever ends the transfer early, or `check` throws
 */
export async function collectBytes(
  response: Response,
  check: (byteLength: number) => void = () => undefined,
): Promise<Uint8Array<ArrayBuffer>> {
  const declared = Number(response.headers.get('content-length') ?? 0)
  check(declared)
  let bytes = new Uint8Array(declared)
  let filled = 0
  for await (const piece of piecesOf(response)) {
    check(filled + piece.length)
    // The declared length is that of the compressed bytes when the server compresses.
    if (filled + piece.length > bytes.length) bytes = grown(bytes, Math.max(2 * bytes.length, filled + piece.length))
    bytes.set(piece, filled)
    filled += piece.length
  }
  return filled === bytes.length ? bytes : bytes.slice(0, filled)
}

function grown(bytes: Uint8Array, length: number): Uint8Array<ArrayBuffer> {
  const longer = new Uint8Array(length)
  longer.set(bytes)
  return longer
}

/** Servers of one-page applications answer with the page where they have no file. */
function isPage(response: Response, url: string): boolean {
  const type = response.headers.get('content-type') ?? ''
  return /^\s*text\/html\b/i.test(type) && !/\.html?$/i.test(url)
}

function statusOf({ status, statusText }: Response): string {
  return `the server answers ${status} ${statusText}`.trim()
}
