import { DataError } from '../base/errors.ts'
import { withPath } from './file-errors.ts'

/**
 * What the server has at a URL.
 * @throws DataError when it cannot be reached, has nothing there, or answers with a page.
 */
export async function fetchFile(url: string): Promise<Response> {
  return withPath('read', url, async () => {
    const response = await fetch(url)
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

/** Servers of one-page applications answer with the page where they have no file. */
function isPage(response: Response, url: string): boolean {
  const type = response.headers.get('content-type') ?? ''
  return /^\s*text\/html\b/i.test(type) && !/\.html?$/i.test(url)
}

function statusOf({ status, statusText }: Response): string {
  return `the server answers ${status} ${statusText}`.trim()
}
