import { binPack } from '../base/bin-pack.ts'
import { LimitError, OptionError } from '../base/errors.ts'

/** Where in its row a prompt lies: slots [start, start + length). */
export interface PromptSegment {
  /** Which of the lengths. */
  readonly index: number
  readonly start: number
  readonly length: number
}

/**
 * Packs prompts into rows of at most `capacity` slots, the longest first, each where it fits best, so that little is fed that is no
 * prompt. Within a row a prompt sees itself alone and counts its positions from 0: the chains of a tree do just that (Prepacking,
 * arXiv:2404.09529). Throws OptionError on lengths below 1, LimitError on one above the capacity.
 * @example
 * packPrompts([3, 9, 5], 9) // [[{ index: 1, start: 0, length: 9 }], [{ index: 2, start: 0, length: 5 }, { index: 0, start: 5, length: 3 }]]
 */
export function packPrompts(lengths: readonly number[], capacity: number): PromptSegment[][] {
  for (const [index, length] of lengths.entries()) {
    if (!Number.isSafeInteger(length) || length < 1)
      throw new OptionError(`length ${index} is ${length}`, { expected: 'integers of at least 1' })
    if (length > capacity)
      throw new LimitError(`prompt ${index} has ${length} tokens`, { expected: `at most ${capacity}, a row's` })
  }
  if (!Number.isSafeInteger(capacity) || capacity < 0)
    throw new OptionError(`capacity is ${capacity}`, { expected: 'an integer of at least 0' })
  return binPack(Int32Array.from(lengths), capacity).map((row) => {
    let end = 0
    return row.map((index) => {
      const start = end
      end += lengths[index]!
      return { index, start, length: lengths[index]! }
    })
  })
}
