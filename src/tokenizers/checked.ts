import { DataError, FormatError, type NextxError, OptionError } from '../base/errors.ts'
import { type OptionSchema, problemOf, shortened } from '../base/options.ts'

/** Largest number of ids. Merge queues pack an id's rank beside a position in one exact double, which leaves 21 bits. */
export const largestVocabulary = 2 ** 21

/** Throws FormatError unless `value` has the fields of `schema`. */
export function checkFile(schema: OptionSchema, value: unknown, what: string): void {
  const problem = problemOf(schema, value)
  if (problem !== undefined) throw new FormatError(`${what}: ${problem}`)
}

/** Runs `build` on values from a file: what would be a wrong option in a call is a wrong file there. */
export function asFormatErrors<T>(what: string, build: () => T): T {
  try {
    return build()
  } catch (error) {
    if (error instanceof OptionError) throw new FormatError(`${what}: ${error.message}`, { cause: error })
    throw error
  }
}

/** A character as messages name it: `"é" (U+00E9)`. */
export function nameOfCharacter(character: string): string {
  const code = character.codePointAt(0) ?? 0
  return `${JSON.stringify(character)} (U+${code.toString(16).toUpperCase().padStart(4, '0')})`
}

/**
 * `text` with lone surrogates, which have no UTF-8, replaced by U+FFFD: what every encoder to UTF-8 does. Throws DataError for
 * anything but a string.
 */
export function wellFormed(text: string): string {
  if (typeof text !== 'string') throw new DataError(`the text is ${text === null ? 'null' : typeof text}`, { expected: 'a string' })
  return text.replace(/\p{Surrogate}/gu, '\ufffd')
}

/** The texts of a training set. Throws DataError for one string, which would be taken as a list of its characters. */
export function checkedTexts(texts: Iterable<string>): Iterable<string> {
  if (typeof texts === 'object' && texts !== null && Symbol.iterator in texts) return texts
  throw new DataError('the texts are no list', { expected: 'an array or another iterable of strings', fix: 'pass [text]' })
}

/** Text from a file as messages quote it: escaped, at most 60 characters. */
export function quoted(text: string): string {
  return JSON.stringify(shortened(text, 60))
}

/** Throws `problem` unless `text` is a non-empty string without lone surrogates. */
export function checkText(text: unknown, problem: (message: string) => NextxError): void {
  if (typeof text !== 'string') throw problem(`is ${typeof text}, not text`)
  if (text === '') throw problem('is empty')
  if (/\p{Surrogate}/u.test(text)) throw problem(`${quoted(text)} holds half of a surrogate pair`)
}
