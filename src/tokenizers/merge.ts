import { DataError } from '../base/errors.ts'
import { Heap } from './heap.ts'

/** Which neighbours may become one token, and in which order. */
export interface MergeRule {
  /** The token that `left` and `right`, which cover the first symbols `[start, end)`, become together; -1 when they never do. */
  join(left: number, right: number, start: number, end: number): number
  /** Lower is merged first; equal ranks are merged from left to right. An integer of [0, 2^21). */
  rank(token: number): number
}

export interface Merged {
  readonly tokens: number[]
  /** Index among the first symbols at which each token starts. */
  readonly starts: number[]
}

const longestRun = 2 ** 25
const keySpan = 2 ** 31
const absorbed = -2

/**
 * Greedy merging: as long as any neighbours can be joined, joins those of the lowest rank, leftmost first. n symbols take
 * O(n log n) steps, whatever the rule: a queue of candidates instead of a search after every merge.
 *
 * @throws DataError for more than 2^25 symbols.
 */
export function mergeSymbols(symbols: ArrayLike<number>, rule: MergeRule): Merged {
  const count = symbols.length
  if (count > longestRun) {
    throw new DataError(`${count} symbols without a break`, { expected: `at most ${longestRun}`, fix: 'encode the text in parts' })
  }
  const token = Int32Array.from(symbols)
  // Neighbours by start; `count` after the last, -1 before the first.
  const next = Int32Array.from({ length: count }, (_, start) => start + 1)
  const previous = Int32Array.from({ length: count }, (_, start) => start - 1)
  // One exact number per candidate, rank · 2^31 + start, so that the order of numbers is the order of merging.
  const queue = new Heap<number>((left, right) => left < right)
  const joinAt = (start: number): number => {
    const middle = next[start]!
    return middle === absorbed || middle >= count ? -1 : rule.join(token[start]!, token[middle]!, start, next[middle]!)
  }
  const consider = (start: number): void => {
    const joined = joinAt(start)
    if (joined >= 0) queue.push(rule.rank(joined) * keySpan + start)
  }
  for (let start = 0; start < count - 1; start++) consider(start)
  for (let key = queue.pop(); key !== undefined; key = queue.pop()) {
    const rank = Math.floor(key / keySpan)
    const start = key - rank * keySpan
    const joined = joinAt(start)
    // Out of date when the neighbours have changed since, and with them what they make.
    if (joined < 0 || rule.rank(joined) !== rank) continue
    const middle = next[start]!
    const end = next[middle]!
    token[start] = joined
    next[start] = end
    next[middle] = absorbed
    if (end < count) previous[end] = start
    consider(start)
    if (previous[start]! >= 0) consider(previous[start]!)
  }
  return collect(token, next)
}

function collect(token: Int32Array, next: Int32Array): Merged {
  const tokens: number[] = []
  const starts: number[] = []
  for (let start = 0; start < token.length; start = next[start]!) {
    tokens.push(token[start]!)
    starts.push(start)
  }
  return { tokens, starts }
}
