import { createReadStream } from 'node:fs'
import { regularFileSize } from './files.ts'
import { decodeText, splitLines } from './text-pieces.ts'

/**
 * The text of a UTF-8 file, piece by piece; no character is cut by the border of two pieces. A byte order mark is left out.
 * @throws DataError when the file cannot be read or is not UTF-8.
 * @example
 * let characters = 0
 * for await (const piece of streamText('corpus.txt')) characters += piece.length
 */
export async function* streamText(path: string): AsyncGenerator<string, void, void> {
  await regularFileSize(path)
  yield* decodeText(createReadStream(path), path)
}

/**
 * The lines of a UTF-8 file without their line breaks (`\n` or `\r\n`).
 * @param options `maxLength`: longest line in UTF-16 codes, 16 Mi by default.
 * @throws DataError when the file cannot be read, is not UTF-8, or has a longer line.
 */
export async function* streamLines(
  path: string,
  { maxLength = 2 ** 24 }: { maxLength?: number } = {},
): AsyncGenerator<string, void, void> {
  yield* splitLines(streamText(path), path, maxLength)
}
