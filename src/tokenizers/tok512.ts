import { FormatError } from '../base/errors.ts'
import { largestVocabulary } from './checked.ts'
import type { Piece } from './sentencepiece.ts'

/**
 * Reads the vocabulary file of llama2.c (tok512.bin, tokenizer.bin): little-endian int32 length of the longest piece in bytes, then
 * per id a float32 score, an int32 length and that many bytes of UTF-8.
 *
 * @throws FormatError when the file is cut off, lengths do not fit, a score is not finite or a piece is not UTF-8.
 * @example
 * const pieces = readTok512(await readFile('tok512.bin'))
 */
export function readTok512(file: Uint8Array): Piece[] {
  const view = new DataView(file.buffer, file.byteOffset, file.byteLength)
  if (file.length < 4) throw new FormatError(`the vocabulary file has ${file.length} bytes`, { expected: 'at least 4' })
  const longest = view.getInt32(0, true)
  const decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })
  const pieces: Piece[] = []
  for (let offset = 4; offset < file.length; ) {
    const place = `piece ${pieces.length} of the vocabulary file`
    if (pieces.length === largestVocabulary) throw new FormatError(`the vocabulary file has more than ${largestVocabulary} pieces`)
    if (file.length - offset < 8) throw new FormatError(`${place} is cut off`, { expected: 'a score and a length' })
    const score = view.getFloat32(offset, true)
    const length = view.getInt32(offset + 4, true)
    offset += 8
    const most = Math.min(longest, file.length - offset)
    if (length < 1 || length > most) throw new FormatError(`${place} has length ${length}`, { expected: `1 to ${most}` })
    if (!Number.isFinite(score)) throw new FormatError(`${place} has score ${score}`, { expected: 'a finite number' })
    pieces.push([decodePiece(decoder, file.subarray(offset, offset + length), place), score])
    offset += length
  }
  if (pieces.length === 0) throw new FormatError('the vocabulary file has no pieces')
  return pieces
}

function decodePiece(decoder: InstanceType<typeof TextDecoder>, bytes: Uint8Array, place: string): string {
  try {
    return decoder.decode(bytes)
  } catch (cause) {
    throw new FormatError(`${place} is not UTF-8`, { cause })
  }
}
