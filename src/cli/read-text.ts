import { streamText } from '../platform/text-files.ts'

/** All of a UTF-8 file. Throws DataError when it cannot be read or is no text. */
export async function readText(path: string): Promise<string> {
  let text = ''
  for await (const piece of streamText(path)) text += piece
  return text
}
