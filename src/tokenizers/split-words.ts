import { DataError } from '../base/errors.ts'

/**
 * How a text is cut before merging; merges never cross a cut.
 *
 * - `gpt2`: the cuts of GPT-2: English contractions, then an optional space with a run of letters, of numbers or of other signs, then
 *   runs of white space, of which the last space goes with the next word. White space is Unicode's (as in Python), not JavaScript's.
 * - `none`: the whole text is one word.
 */
export type SplitPattern = 'gpt2' | 'none'

export const splitPatterns = ['gpt2', 'none'] as const satisfies readonly SplitPattern[]

// No quantifier stands inside another and every alternative starts with different characters, so each character is looked at a
// bounded number of times: the longest backtrack, from the look-ahead, is one step.
const patterns = {
  gpt2: "'(?:[sdmt]|ll|ve|re)| ?\\p{L}+| ?\\p{N}+| ?[^\\p{White_Space}\\p{L}\\p{N}]+|\\p{White_Space}+(?!\\P{White_Space})|\\p{White_Space}+",
  /** Spaces with the word they precede. */
  spaces: ' *[^ ]+| +',
}

/**
 * A function that cuts a text into words, which concatenate to the text again.
 *
 * @throws (the function) DataError for a run of several million characters of one kind, which overflows the regular expression's
 * stack.
 */
export function wordSplitter(pattern: SplitPattern | 'spaces'): (text: string) => readonly string[] {
  if (pattern === 'none') return (text) => (text === '' ? [] : [text])
  const expression = new RegExp(patterns[pattern], 'gu')
  return (text) => {
    try {
      return text.match(expression) ?? []
    } catch (cause) {
      throw new DataError('the text has a word too long to be cut', { fix: 'encode the text in parts', cause })
    }
  }
}

const longestCachedWord = 64
const mostCachedWords = 2 ** 15

/** `encode` of every word, one after the other; remembers the tokens of short words. */
export function wordwise(encode: (word: string) => readonly number[]): (words: Iterable<string>) => number[] {
  const cache = new Map<string, readonly number[]>()
  const encodeCached = (word: string): readonly number[] => {
    const known = cache.get(word)
    if (known !== undefined) return known
    const ids = encode(word)
    if (word.length <= longestCachedWord) {
      if (cache.size >= mostCachedWords) cache.clear()
      cache.set(word, ids)
    }
    return ids
  }
  return (words) => {
    const all: number[] = []
    // Not push(...): a word may have more tokens than a call has room for arguments.
    for (const word of words) for (const id of encodeCached(word)) all.push(id)
    return all
  }
}
