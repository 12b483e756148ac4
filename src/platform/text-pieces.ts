import { DataError } from '../base/errors.ts'
import { fileError } from './file-errors.ts'

/** The text of UTF-8 pieces; no character is cut. Whatever ends the pieces early comes out as a DataError that names the path. */
export async function* decodeText(pieces: AsyncIterable<Uint8Array>, path: string): AsyncGenerator<string, void, void> {
  const decode = utf8Decoder(path)
  try {
    for await (const bytes of pieces) {
      const text = decode(bytes)
      if (text !== '') yield text
    }
    decode()
  } catch (cause) {
    throw fileError('read', path, cause)
  }
}

/** Called without bytes at the end of the file, where a character may be unfinished. */
function utf8Decoder(path: string): (bytes?: Uint8Array) => string {
  const decoder = new TextDecoder('utf-8', { fatal: true })
  return (bytes) => {
    try {
      return decoder.decode(bytes, { stream: bytes !== undefined })
    } catch (cause) {
      throw new DataError(`'${path}' is not text`, { expected: 'UTF-8', fix: 'convert the file to UTF-8', cause })
    }
  }
}

/** The lines of a text without their line breaks. Throws DataError on a line longer than `maxLength` UTF-16 codes. */
export async function* splitLines(
  pieces: AsyncIterable<string>,
  path: string,
  maxLength: number,
): AsyncGenerator<string, void, void> {
  let rest = ''
  for await (const piece of pieces) {
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
