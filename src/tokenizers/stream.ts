import { DataError, DisposedError } from '../base/errors.ts'
import type { TextStream } from '../base/model.ts'

/** What each id contributes to a text. */
export interface TokenBytes {
  readonly vocabularySize: number
  /**
   * UTF-8 bytes of `id`, possibly a part of a character; undefined for control tokens, which give no text. `atStart` holds when no
   * text token came before: there some vocabularies drop the space that stands before every word.
   */
  bytesOf(id: number, atStart: boolean): Uint8Array | undefined
  /** Whether the text after this control token begins anew. */
  restartsAfter?(id: number): boolean
}

/**
 * Decodes ids one by one. Incomplete characters are held back; invalid bytes become U+FFFD exactly as they do when the whole
 * sequence is decoded at once, so the concatenation of all `push` results and `end` equals `decodeWhole`.
 */
export function textStream(tokens: TokenBytes): TextStream {
  const decoder = utf8Decoder()
  let atStart = true
  let ended = false
  const refuseEnded = () => {
    if (ended) throw new DisposedError('the text stream has ended', { fix: 'open a new one with stream()' })
  }
  return {
    push(id) {
      refuseEnded()
      checkId(id, tokens.vocabularySize)
      const bytes = tokens.bytesOf(id, atStart)
      atStart = bytes === undefined ? atStart || tokens.restartsAfter?.(id) === true : false
      return bytes === undefined ? '' : decoder.decode(bytes, { stream: true })
    },
    end() {
      refuseEnded()
      ended = true
      return decoder.decode()
    },
  }
}

/**
 * The text of a whole sequence.
 *
 * @throws DataError when an id is not an integer of [0, vocabularySize).
 */
export function decodeWhole(tokens: TokenBytes, ids: readonly number[]): string {
  const chunks: Uint8Array[] = []
  let atStart = true
  for (const id of ids) {
    checkId(id, tokens.vocabularySize)
    const bytes = tokens.bytesOf(id, atStart)
    if (bytes !== undefined) chunks.push(bytes)
    atStart = bytes === undefined ? atStart || tokens.restartsAfter?.(id) === true : false
  }
  return utf8Decoder().decode(concatenate(chunks))
}

/** What `id` adds behind other text; nothing for control tokens, and for the one that stands for what the vocabulary lacks. */
export function bytesWithin(tokens: TokenBytes, id: number, unknown?: number): Uint8Array | undefined {
  checkId(id, tokens.vocabularySize)
  return id === unknown ? undefined : tokens.bytesOf(id, false)?.slice()
}

function checkId(id: number, vocabularySize: number): void {
  if (Number.isInteger(id) && id >= 0 && id < vocabularySize) return
  throw new DataError(`${typeof id === 'number' ? id : typeof id} is no token of this vocabulary`, {
    expected: `an integer from 0 to ${vocabularySize - 1}`,
    fix: 'use the tokenizer that the ids were made with',
  })
}

/** Keeps a leading U+FEFF, which is text here and not a mark of the encoding. */
function utf8Decoder(): InstanceType<typeof TextDecoder> {
  return new TextDecoder('utf-8', { ignoreBOM: true })
}

/** All chunks in one array. */
export function concatenate(chunks: readonly Uint8Array[]): Uint8Array {
  const whole = new Uint8Array(chunks.reduce((length, chunk) => length + chunk.length, 0))
  let offset = 0
  for (const chunk of chunks) {
    whole.set(chunk, offset)
    offset += chunk.length
  }
  return whole
}
