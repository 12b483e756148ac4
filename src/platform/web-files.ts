import { DataError } from '../base/errors.ts'
import { withPath } from './file-errors.ts'
import { refuseInBrowser } from './web-refusal.ts'
import { collectBytes, fetchFile, hasFile } from './web-response.ts'

// In a browser this module stands in for files.ts: a path is a URL, absolute or relative to the page.

/**
 * The bytes at a URL.
 * @param options `maxBytes`: refuse a longer file.
 * @throws DataError when the server does not have the file, it is too long, or the transfer breaks off.
 */
export async function readFileBytes(path: string, { maxBytes }: { maxBytes?: number } = {}): Promise<Uint8Array<ArrayBuffer>> {
  const response = await fetchFile(path)
  const most = maxBytes ?? Number.POSITIVE_INFINITY
  return withPath('read', path, () => collectBytes(response, (bytes) => refuseLonger(path, bytes, most)))
}

function refuseLonger(path: string, byteLength: number, most: number): void {
  if (byteLength > most) throw new DataError(`'${path}' has at least ${byteLength} bytes`, { expected: `at most ${most}` })
}

/**
 * Bytes of the file at a URL, as its server says.
 * @throws DataError when the server does not have the file, or does not say.
 */
export async function regularFileSize(path: string): Promise<number> {
  const response = await fetchFile(path)
  await response.body?.cancel()
  const declared = response.headers.get('content-length')
  if (declared === null)
    throw new DataError(`the server does not say how long '${path}' is`, { expected: 'the header content-length' })
  return Number(declared)
}

/**
 * Whether the server has a file of that URL.
 * @throws DataError when that cannot be told.
 */
export async function exists(path: string): Promise<boolean> {
  return hasFile(path)
}

/** Whether the URL reads like that of one file of a model: servers do not say what is a folder. */
export async function isFile(path: string): Promise<boolean> {
  return /\.(gguf|bin)([?#]|$)/i.test(path)
}

/**
 * The URLs as they stand, each once: a browser cannot look into folders, so that there are no patterns.
 * @throws DataError on a pattern.
 */
export async function listFiles(patterns: readonly string[], { folder = '.' }: { folder?: string } = {}): Promise<string[]> {
  const pattern = patterns.find((candidate) => /[*!{}[\]]/.test(candidate))
  if (pattern !== undefined) return refuseInBrowser(`list the files that match '${pattern}'`)
  return [...new Set(patterns.map((name) => (folder === '.' ? name : `${folder}/${name}`)))].sort()
}

/** Refuses. */
export async function writeFileAtomic(path: string, _data: unknown): Promise<void> {
  refuseInBrowser(`write '${path}'`)
}

/** Refuses. */
export async function appendLine(path: string, _line: string): Promise<void> {
  refuseInBrowser(`write '${path}'`)
}

/** Refuses. */
export async function makeDirectory(path: string): Promise<void> {
  refuseInBrowser(`make the folder '${path}'`)
}
