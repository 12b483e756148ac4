import * as v from 'valibot'
import { OptionError } from '../base/errors.ts'
import type { TextTokenizer } from '../base/model.ts'
import { checkText, largestVocabulary, quoted } from './checked.ts'

/** Control tokens. They take the ids after the ordinary ones, in this order, and are never found in a text: see `specialTokens`. */
export interface SpecialTokenOptions {
  /** Names, all different. Default: none. */
  readonly specialTokens?: readonly string[]
  /** Which of `specialTokens` starts a sequence. Default: none. */
  readonly startToken?: string
  /** Which of `specialTokens` end a sequence. Default: none. */
  readonly endTokens?: readonly string[]
}

/** A text tokenizer whose control tokens can be looked up. */
export interface NamedTokenizer extends TextTokenizer {
  /**
   * Ids of the control tokens by name. `encode` never yields them, so that a text cannot forge a start, an end or a role; whoever
   * builds a sequence puts them in by id.
   */
  readonly specialTokens: ReadonlyMap<string, number>
}

/** Valibot entries of `SpecialTokenOptions`. */
export const specialTokenEntries = {
  specialTokens: v.optional(v.array(v.string())),
  startToken: v.optional(v.string()),
  endTokens: v.optional(v.array(v.string())),
}

export interface SpecialTokens {
  readonly byName: ReadonlyMap<string, number>
  readonly startToken: number | undefined
  readonly endTokens: readonly number[]
  /** The options again, for `toJSON`. */
  readonly options: SpecialTokenOptions
}

/** Gives ids from `firstId` on. Throws OptionError for empty or repeated names, and for start or end tokens without an id. */
export function resolveSpecialTokens(given: SpecialTokenOptions, firstId: number): SpecialTokens {
  const { specialTokens = [], startToken, endTokens = [] } = given
  const byName = new Map<string, number>()
  for (const name of specialTokens) {
    checkText(name, (problem) => new OptionError(`a special token ${problem}`))
    if (byName.has(name)) throw new OptionError(`the special token ${quoted(name)} is given twice`)
    byName.set(name, firstId + byName.size)
  }
  if (firstId + byName.size > largestVocabulary) {
    throw new OptionError(`${firstId + byName.size} tokens`, { expected: `at most ${largestVocabulary}` })
  }
  return {
    byName,
    startToken: startToken === undefined ? undefined : idOf(startToken, byName, 'startToken'),
    endTokens: endTokens.map((name) => idOf(name, byName, 'endTokens')),
    options: {
      ...(specialTokens.length > 0 && { specialTokens: [...specialTokens] }),
      ...(startToken !== undefined && { startToken }),
      ...(endTokens.length > 0 && { endTokens: [...endTokens] }),
    },
  }
}

/** The id of `name`. Throws OptionError when it is no special token. */
export function idOf(name: string, byName: ReadonlyMap<string, number>, option: string): number {
  const id = byName.get(name)
  if (id !== undefined) return id
  throw new OptionError(`${option} names ${quoted(name)}, which is no special token`, {
    expected: byName.size > 0 ? `one of ${[...byName.keys()].slice(0, 20).map(quoted).join(', ')}` : 'specialTokens to list it',
  })
}
