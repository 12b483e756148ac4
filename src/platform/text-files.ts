import { createReadStream } from 'node:fs'
import { TextDecoder } from 'node:util'
import { DataError } from '../base/errors.ts'
import { fileError } from './file-errors.ts'
import { regularFileSize } from './files.ts'

/**
 * The text of a UTF-8 file, piece by piece; no character is cut by the border of two pieces. A byte order mark is left out.
 * @throws DataError when the file cannot be read or is not UTF-8.
 * @example
 * let characters = 0
 * for await (const piece of streamText('corpus.txt')) characters += piece.length
 */
export async function* streamText(path: string): AsyncGenerator<string, void, void> {
  await regularFileSize(path)
  const decoder = new TextDecoder('utf-8', { fatal: true })
  try {
    for await (const bytes of createReadStream(path)) {
      const text = decode(decoder, bytes as Uint8Array, path)
      if (text !== '') yield text
    }
    decode(decoder, undefined, path)
  } catch (cause) {
    throw fileError('read', path, cause)
  }
}

/** Without bytes: the end of the file, where a character may be unfinished. */
function decode(decoder: TextDecoder, bytes: Uint8Array | undefined, path: string): string {
  try {
    return decoder.decode(bytes, { stream: bytes !== undefined })
  } catch (cause) {
    throw new DataError(`'${path}' is not text`, { expected: 'UTF-8', fix: 'convert the file to UTF-8', cause })
  }
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
  let rest = ''
  for await (const piece of streamText(path)) {
    const lines = piece.split('\n')
    lines[0] = rest + lines[0]
    rest = lines.pop() ?? ''
    for (const line of lines) yield checkedLine(line, maxLength, path)
    checkedLine(rest, maxLength, path)
  }
  if (rest !== '') yield checkedLine(rest, maxLength, path)
}

function checkedLine(line: string, maxLength: number, path: string): string {
  if (line.length > maxLength)
    throw new DataError(`a line of '${path}' is too long`, { expected: `at most ${maxLength} characters` })
  return line.endsWith('\r') ? line.slice(0, -1) : line
}
