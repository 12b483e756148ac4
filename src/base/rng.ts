import { OptionError } from './errors.ts'
import { philox } from './philox.ts'

/**
 * A counter-based stream of random numbers. Every value depends on (seed, labels, index) alone, so values may be read in any order,
 * one by one or in bulk, on any machine. Nothing here has state, except a cursor.
 *
 * One index names 64 random bits. `uniformAt`, `normalAt` and `integerAt` of the same index share them: take quantities that must be
 * independent from different indices, or from streams folded with different labels. All methods throw OptionError on an index that is
 * not an integer in [0, 2^53).
 */
export interface Rng {
  readonly seed: bigint
  /** The labels folded in so far. `seed` and `labels` rebuild the stream. */
  readonly labels: readonly (string | number)[]
  /** The independent stream of this label: any string, or any safe integer. `1` and `'1'` are different labels. */
  fold(label: string | number): Rng
  /** The 32-bit word `index`; number i of the other readings is made of the words 2i and 2i + 1. */
  bits(index: number): number
  /** In [0, 1), 53 bits. */
  uniformAt(index: number): number
  /** Standard normal (Box–Muller in float64; indices 2i and 2i + 1 are a pair). */
  normalAt(index: number): number
  /** In [0, below), every value exactly equally likely; `below` in [1, 2^53). */
  integerAt(index: number, below: number): number
  /** `out[j]` = `uniformAt(offset + j)` truncated to 24 bits, so still below 1. Returns `out`. */
  fillUniform(out: Float32Array, offset?: number): Float32Array
  /** `out[j]` = `normalAt(offset + j)` rounded to float32. Returns `out`. */
  fillNormal(out: Float32Array, offset?: number): Float32Array
  /** The numbers 0 … count − 1 in random order, every order equally likely. Independent of the stream's other values. */
  permutation(count: number): Int32Array
  /** A reader that steps through the stream, one index per call. */
  cursor(start?: number): RngCursor
}

/** A stateful reader of a stream; `rng.cursor(cursor.position)` continues where it stands. */
export interface RngCursor {
  /** The next index to be read. */
  readonly position: number
  uniform(): number
  normal(): number
  integer(below: number): number
}

/**
 * The random stream of a seed: an integer in [0, 2^64), as a safe integer or a bigint. Throws OptionError otherwise.
 * @example
 * const noise = createRng(7).fold('sample')
 * noise.uniformAt(3) // the same number, always
 */
export function createRng(seed: number | bigint): Rng {
  const whole = checkSeed(seed)
  return new PhiloxRng(whole, [], [Number(whole & 0xffffffffn), Number(whole >> 32n)], [0, 0])
}

/** Counter words: [block, low; block, high; stream 0; stream 1]. Bit 31 of the second word is set when labels are hashed. */
class PhiloxRng implements Rng {
  readonly #key: readonly [number, number]
  readonly #stream: readonly [number, number]
  readonly #counter = new Uint32Array(4)
  readonly #words = new Uint32Array(4)

  constructor(
    readonly seed: bigint,
    readonly labels: readonly (string | number)[],
    key: readonly [number, number],
    stream: readonly [number, number],
  ) {
    this.#key = key
    this.#stream = stream
  }

  fold(label: string | number): Rng {
    let state: Words = [...this.#key, ...this.#stream]
    for (const [word, tag] of labelWords(label)) state = absorb(state, word, tag)
    return new PhiloxRng(this.seed, [...this.labels, label], [state[0], state[1]], [state[2], state[3]])
  }

  bits(index: number): number {
    checkIndex(index)
    return this.#block(Math.floor(index / 4))[index % 4]!
  }

  uniformAt(index: number): number {
    checkIndex(index)
    return this.#integer53(index, 0) * 2 ** -53
  }

  normalAt(index: number): number {
    checkIndex(index)
    const [even, odd] = normalPair(this.#block(Math.floor(index / 2)))
    return index % 2 === 0 ? even : odd
  }

  integerAt(index: number, below: number): number {
    checkIndex(index)
    if (!Number.isSafeInteger(below) || below < 1)
      throw new OptionError(`below is ${below}`, { expected: 'an integer in [1, 2^53)' })
    const fair = 2 ** 53 - (2 ** 53 % below)
    let draw = this.#integer53(index, 0)
    // A draw beyond the last whole multiple of `below` would favour small results: try again, in counters no other index uses.
    for (let attempt = 1; draw >= fair && attempt < 1024; attempt++) draw = this.#integer53(index, attempt)
    return draw % below
  }

  fillUniform(out: Float32Array, offset = 0): Float32Array {
    return this.#fill(out, offset, (words) => [(words[0]! >>> 8) * 2 ** -24, (words[2]! >>> 8) * 2 ** -24])
  }

  fillNormal(out: Float32Array, offset = 0): Float32Array {
    return this.#fill(out, offset, normalPair)
  }

  permutation(count: number): Int32Array {
    if (!Number.isInteger(count) || count < 0 || count > 2 ** 31 - 1) {
      throw new OptionError(`count is ${count}`, { expected: 'an integer in [0, 2^31)' })
    }
    const source = this.fold('permutation')
    const order = new Int32Array(count).map((_, i) => i)
    for (let last = count - 1; last > 0; last--) {
      const other = source.integerAt(last, last + 1)
      const moved = order[last]!
      order[last] = order[other]!
      order[other] = moved
    }
    return order
  }

  cursor(start = 0): RngCursor {
    checkIndex(start)
    return new StreamCursor(this, start)
  }

  #block(block: number, attempt = 0): Uint32Array {
    const counter = this.#counter
    counter[0] = block
    // block < 2^52, so the second word has its upper bits free for `attempt`.
    counter[1] = Math.floor(block / 2 ** 32) + attempt * 2 ** 21
    counter[2] = this.#stream[0]
    counter[3] = this.#stream[1]
    philox(counter, this.#key, this.#words)
    return this.#words
  }

  #integer53(index: number, attempt: number): number {
    const words = this.#block(Math.floor(index / 2), attempt)
    return wholeNumber(words, index % 2)
  }

  #fill(out: Float32Array, offset: number, pairOf: (words: Uint32Array) => readonly [number, number]): Float32Array {
    checkIndex(offset)
    if (out.length > 0) checkIndex(offset + (out.length - 1))
    for (let i = 0; i < out.length; ) {
      const pair = pairOf(this.#block(Math.floor((offset + i) / 2)))
      if ((offset + i) % 2 === 0) out[i++] = pair[0]
      if (i < out.length) out[i++] = pair[1]
    }
    return out
  }
}

class StreamCursor implements RngCursor {
  readonly #rng: Rng
  #position: number

  constructor(rng: Rng, start: number) {
    this.#rng = rng
    this.#position = start
  }

  get position(): number {
    return this.#position
  }

  uniform(): number {
    return this.#rng.uniformAt(this.#position++)
  }

  normal(): number {
    return this.#rng.normalAt(this.#position++)
  }

  integer(below: number): number {
    const value = this.#rng.integerAt(this.#position, below)
    this.#position++
    return value
  }
}

type Words = readonly [number, number, number, number]

/** Lane 0 or 1 of a block, as an integer in [0, 2^53). */
function wholeNumber(words: Uint32Array, lane: number): number {
  return words[2 * lane]! * 2 ** 21 + (words[2 * lane + 1]! >>> 11)
}

/** Box–Muller; 1 − u keeps the logarithm away from 0. */
function normalPair(words: Uint32Array): readonly [number, number] {
  const radius = Math.sqrt(-2 * Math.log(1 - wholeNumber(words, 0) * 2 ** -53))
  const angle = 2 * Math.PI * (wholeNumber(words, 1) * 2 ** -53)
  return [radius * Math.cos(angle), radius * Math.sin(angle)]
}

/** One step of the label hash: the generator itself, keyed by the state so far, in counters that no value uses. */
function absorb([key0, key1, stream0, stream1]: Words, word: number, tag: number): Words {
  const out = new Uint32Array(4)
  philox([word, 0x80000000 + tag, stream0, stream1], [key0, key1], out)
  return [out[0]!, out[1]!, out[2]!, out[3]!]
}

/** A label as (word, tag) pairs. The first pair holds kind and length, so that no label's pairs begin another's. */
function labelWords(label: string | number): [word: number, tag: number][] {
  if (typeof label === 'string') {
    const words: [number, number][] = [[label.length, 1]]
    for (let i = 0; i < label.length; i += 2) words.push([label.charCodeAt(i) * 65536 + (label.charCodeAt(i + 1) || 0), 0])
    return words
  }
  if (!Number.isSafeInteger(label)) throw new OptionError(`label is ${label}`, { expected: 'a string or a safe integer' })
  return [
    [label >>> 0, 2],
    [Math.floor(label / 2 ** 32) >>> 0, 0],
  ]
}

function checkSeed(seed: number | bigint): bigint {
  const whole = typeof seed === 'bigint' ? seed : Number.isSafeInteger(seed) ? BigInt(seed) : -1n
  if (whole < 0n || whole >= 2n ** 64n) {
    throw new OptionError(`seed is ${String(seed)}`, {
      expected: 'an integer in [0, 2^64)',
      fix: 'give seeds above 2^53 as bigint',
    })
  }
  return whole
}

function checkIndex(index: number): void {
  if (!Number.isSafeInteger(index) || index < 0) throw new OptionError(`index is ${index}`, { expected: 'an integer in [0, 2^53)' })
}
