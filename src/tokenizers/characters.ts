import * as v from 'valibot'
import { DataError, OptionError } from '../base/errors.ts'
import type { TokenizerFile } from '../base/model.ts'
import { checkOptions } from '../base/options.ts'
import { checkedTexts, checkText, nameOfCharacter, quoted, wellFormed } from './checked.ts'
import { idOf, type NamedTokenizer, resolveSpecialTokens, type SpecialTokenOptions, specialTokenEntries } from './special-tokens.ts'
import { bytesWithin, decodeWhole, textStream } from './stream.ts'

export interface CharactersOptions extends SpecialTokenOptions {
  /**
   * Which of `specialTokens` stands for characters outside the alphabet; it decodes to U+FFFD. Default: none, and such characters
   * are refused.
   */
  readonly unknownToken?: string
}

const schema = v.strictObject({ ...specialTokenEntries, unknownToken: v.optional(v.string()) })

/**
 * One id per character (Unicode code point): the place of the character in `alphabet`. Special tokens follow. `encode` throws
 * DataError for a character outside the alphabet, naming it and its place, unless `unknownToken` is given.
 *
 * @throws OptionError when the alphabet is empty or has an entry that is not exactly one character or is there twice.
 * @example
 * charactersTokenizer('abc').encode('cab') // [2, 0, 1]
 */
export function charactersTokenizer(alphabet: string | readonly string[], options: CharactersOptions = {}): NamedTokenizer {
  checkOptions(schema, options, 'charactersTokenizer')
  const characters = checkedAlphabet(alphabet)
  const ids = new Map(characters.map((character, id) => [character, id]))
  const special = resolveSpecialTokens(options, characters.length)
  const { unknownToken } = options
  const unknown = unknownToken === undefined ? undefined : idOf(unknownToken, special.byName, 'unknownToken')
  const encoder = new TextEncoder()
  const bytes = characters.map((character) => encoder.encode(character))
  if (unknown !== undefined) bytes[unknown] = encoder.encode('\ufffd')
  const tokens = { vocabularySize: characters.length + special.byName.size, bytesOf: (id: number) => bytes[id] }
  return {
    kind: 'characters',
    vocabularySize: tokens.vocabularySize,
    startToken: special.startToken,
    endTokens: special.endTokens,
    specialTokens: special.byName,
    encode: (text) => encodeCharacters(wellFormed(text), ids, unknown),
    decode: (sequence) => decodeWhole(tokens, sequence),
    tokenBytes: (token) => bytesWithin(tokens, token, unknown),
    stream: () => textStream(tokens),
    toJSON: (): TokenizerFile => ({
      kind: 'characters',
      alphabet: characters,
      ...special.options,
      ...(unknownToken !== undefined && { unknownToken }),
    }),
  }
}

/**
 * A characters tokenizer for every character that the texts have, in code point order.
 *
 * @throws DataError when the texts have no characters or are a single string.
 * @example
 * const tokenizer = trainCharacters(['to be', 'or not'])
 */
export function trainCharacters(texts: Iterable<string>, options: CharactersOptions = {}): NamedTokenizer {
  const found = new Set<string>()
  for (const text of checkedTexts(texts)) for (const character of wellFormed(text)) found.add(character)
  if (found.size === 0) throw new DataError('the texts have no characters', { expected: 'some text to take the alphabet from' })
  const alphabet = [...found].sort((left, right) => left.codePointAt(0)! - right.codePointAt(0)!)
  return charactersTokenizer(alphabet, options)
}

function checkedAlphabet(alphabet: string | readonly string[]): string[] {
  const characters = typeof alphabet === 'string' ? [...alphabet] : Array.isArray(alphabet) ? [...alphabet] : []
  if (characters.length === 0) throw new OptionError('the alphabet is empty', { expected: 'a string or a list of characters' })
  const seen = new Set<string>()
  for (const character of characters) {
    checkText(character, (problem) => new OptionError(`an entry of the alphabet ${problem}`))
    if ([...character].length !== 1) {
      throw new OptionError(`the alphabet's entry ${quoted(character)} is not one character`, {
        expected: 'one Unicode code point',
      })
    }
    if (seen.has(character)) throw new OptionError(`the alphabet has ${nameOfCharacter(character)} twice`)
    seen.add(character)
  }
  return characters
}

function encodeCharacters(text: string, known: ReadonlyMap<string, number>, unknown: number | undefined): number[] {
  const ids: number[] = []
  let index = 0
  for (const character of text) {
    const id = known.get(character) ?? unknown
    if (id === undefined) {
      throw new DataError(`the character ${nameOfCharacter(character)} at index ${index} is not in the alphabet`, {
        fix: 'train the alphabet on this text too, or give an unknownToken',
      })
    }
    ids.push(id)
    index += character.length
  }
  return ids
}
