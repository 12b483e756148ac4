import * as v from 'valibot'
import { OptionError } from '../base/errors.ts'
import { checkOptions } from '../base/options.ts'
import { bpeEntries, bpeTokenizer, longestToken } from './bpe.ts'
import { checkedTexts, largestVocabulary, wellFormed } from './checked.ts'
import { Heap } from './heap.ts'
import type { NamedTokenizer, SpecialTokenOptions } from './special-tokens.ts'
import { type SplitPattern, wordSplitter } from './split-words.ts'

export interface TrainBpeOptions extends SpecialTokenOptions {
  /** Number of ids wanted: 256 bytes, merges and special tokens together. */
  readonly vocabularySize: number
  /** Default 'gpt2'. */
  readonly pattern?: SplitPattern
}

const schema = v.strictObject({
  ...bpeEntries,
  vocabularySize: v.pipe(v.number(), v.integer(), v.minValue(256), v.maxValue(largestVocabulary)),
})

/**
 * Learns the merges of a byte-level BPE: again and again the most frequent pair of neighbours, of equally frequent ones the pair with
 * the lowest ids (left first). Stops early, with a smaller vocabulary, when no pair occurs twice. Time is near-linear in the text and
 * independent of word lengths; the same texts in any order give the same merges.
 *
 * @throws OptionError for unknown options and when `vocabularySize` has no room for the bytes and the special tokens;
 * DataError when `texts` is a single string.
 * @example
 * const tokenizer = trainBpe(stories, { vocabularySize: 1024, specialTokens: ['<end>'], endTokens: ['<end>'] })
 */
export function trainBpe(texts: Iterable<string>, options: TrainBpeOptions): NamedTokenizer {
  checkOptions(schema, options, 'trainBpe')
  const { vocabularySize, pattern = 'gpt2', ...special } = options
  const wanted = vocabularySize - 256 - (special.specialTokens?.length ?? 0)
  if (wanted < 0) {
    throw new OptionError(`vocabularySize is ${vocabularySize}`, { expected: `at least ${vocabularySize - wanted}` })
  }
  const merges = learnMerges(new PairCounts(countWords(texts, pattern), 256 + wanted), wanted)
  return bpeTokenizer({ merges, pattern, ...special })
}

function countWords(texts: Iterable<string>, pattern: SplitPattern): ReadonlyMap<string, number> {
  const split = wordSplitter(pattern)
  const counts = new Map<string, number>()
  for (const text of checkedTexts(texts)) for (const word of split(wellFormed(text))) counts.set(word, (counts.get(word) ?? 0) + 1)
  return counts
}

function learnMerges(counts: PairCounts, wanted: number): [number, number][] {
  const merges: [number, number][] = []
  while (merges.length < wanted) {
    const pair = counts.takeMostFrequent()
    if (pair === undefined) break
    counts.merge(pair, 256 + merges.length)
    merges.push([pair.left, pair.right])
  }
  return merges
}

interface Pair {
  readonly left: number
  readonly right: number
  readonly count: number
}

const wordEnd = -1
const gone = -2

/** The different words as one chain of ids with cuts, and for every pair of neighbours how often and where it occurs. */
class PairCounts {
  /** Id at each place; `wordEnd` behind each word, `gone` where a merge took the id away. */
  private readonly ids: Int32Array
  private readonly next: Int32Array
  private readonly previous: Int32Array
  /** How often the word that a place belongs to occurs. */
  private readonly weight: Float64Array
  private readonly lengths: number[] = new Array<number>(256).fill(1)
  private readonly counts = new Map<number, number>()
  /** Places of left halves, ascending; some may be out of date. */
  private readonly places = new Map<number, number[]>()
  /** Counts may be out of date; `takeMostFrequent` corrects them. */
  private readonly queue = new Heap<Pair>(comesFirst)

  /** The key of a pair is left · span + right: small integers, which maps find fastest, up to 2^15 ids. */
  private readonly span: number

  constructor(words: ReadonlyMap<string, number>, span: number) {
    this.span = span
    const encoder = new TextEncoder()
    const encoded = [...words].map(([word, count]) => ({ bytes: encoder.encode(word), count }))
    // One cut in front of all words, one behind each.
    const size = encoded.reduce((sum, { bytes }) => sum + bytes.length + 1, 1)
    this.ids = new Int32Array(size).fill(wordEnd)
    this.weight = new Float64Array(size)
    this.next = Int32Array.from({ length: size }, (_, place) => place + 1)
    this.previous = Int32Array.from({ length: size }, (_, place) => place - 1)
    let place = 1
    for (const { bytes, count } of encoded) {
      this.ids.set(bytes, place)
      this.weight.fill(count, place, place + bytes.length)
      place += bytes.length + 1
    }
    for (let start = 1; start + 1 < size; start++) this.add(start, 1)
    for (const key of this.counts.keys()) this.enqueue(key)
  }

  /** The pair to merge next, which is then no longer counted; undefined when none occurs twice. */
  takeMostFrequent(): Pair | undefined {
    for (let best = this.queue.pop(); best !== undefined; best = this.queue.pop()) {
      const key = best.left * this.span + best.right
      if (best.count === this.counts.get(key)) return best
      this.enqueue(key)
    }
    return undefined
  }

  /** Writes `merged` wherever the pair stands, from left to right. */
  merge({ left, right }: Pair, merged: number): void {
    const key = left * this.span + right
    const places = this.places.get(key) ?? []
    this.places.delete(key)
    this.lengths[merged] = this.lengths[left]! + this.lengths[right]!
    const touched = new Set<number>()
    for (const place of places) {
      if (this.ids[place] === left && this.ids[this.next[place]!] === right) this.mergeAt(place, merged, touched)
    }
    this.counts.delete(key)
    for (const changed of touched) this.enqueue(changed)
  }

  private mergeAt(place: number, merged: number, touched: Set<number>): void {
    const { ids, next, previous } = this
    const second = next[place]!
    this.add(previous[place]!, -1)
    this.add(second, -1)
    ids[place] = merged
    ids[second] = gone
    next[place] = next[second]!
    previous[next[place]!] = place
    for (const start of [previous[place]!, place]) {
      const key = this.add(start, 1)
      if (key !== undefined) touched.add(key)
    }
  }

  /** Counts the pair that starts at `place` once more or less, by its word's weight. */
  private add(place: number, times: 1 | -1): number | undefined {
    const left = this.ids[place]!
    const right = this.ids[this.next[place]!]!
    if (left === wordEnd || right === wordEnd) return undefined
    const key = left * this.span + right
    this.counts.set(key, (this.counts.get(key) ?? 0) + times * this.weight[place]!)
    if (times === 1) {
      const places = this.places.get(key)
      if (places === undefined) this.places.set(key, [place])
      else places.push(place)
    }
    return key
  }

  private enqueue(key: number): void {
    const count = this.counts.get(key) ?? 0
    const right = key % this.span
    const left = (key - right) / this.span
    if (count >= 2 && this.lengths[left]! + this.lengths[right]! <= longestToken) this.queue.push({ left, right, count })
  }
}

function comesFirst(one: Pair, other: Pair): boolean {
  if (one.count !== other.count) return one.count > other.count
  return one.left !== other.left ? one.left < other.left : one.right < other.right
}
