import { decodeText, splitLines } from './text-pieces.ts'
import { fetchFile, piecesOf } from './web-response.ts'

// In a browser this module stands in for text-files.ts: a path is a URL.

/**
 * The text of the UTF-8 file at a URL, piece by piece as it arrives. A byte order mark is left out.
 * @throws DataError when the server does not have the file, the transfer breaks off, or it is not UTF-8.
 */
export async function* streamText(path: string): AsyncGenerator<string, void, void> {
  yield* decodeText(piecesOf(await fetchFile(path)), path)
}

/**
 * The lines of the UTF-8 file at a URL without their line breaks (`\n` or `\r\n`).
 * @param options `maxLength`: longest line in UTF-16 codes, 16 Mi by default.
 * @throws DataError when the file cannot be read, is not UTF-8, or has a longer line.
 */
export async function* streamLines(
  path: string,
  { maxLength = 2 ** 24 }: { maxLength?: number } = {},
): AsyncGenerator<string, void, void> {
  yield* splitLines(streamText(path), path, maxLength)
}
