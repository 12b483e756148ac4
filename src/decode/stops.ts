import { OptionError } from '../base/errors.ts'

/** Cuts a growing text at the first occurrence of a stop. */
export interface StopCutter {
  /** The text that can no longer be part of a stop, possibly ''. After a stop always ''. */
  push(piece: string): string
  /** The text still held back, when no more will come. */
  end(): string
  /** The stop that ended the text; of several that begin at one place the shortest. */
  readonly matched: string | undefined
}

/**
 * A cutter for these stops. What all `push` and `end` return together is the text before the first place at which any stop begins,
 * however the text is cut into pieces. When a stop was found while a longer one that began earlier may still complete, the decision
 * waits for at most the rest of the longer one. Throws OptionError when a stop is empty or not well-formed text.
 * @example
 * const stops = createStops(['\nUser:'])
 * for await (const piece of pieces) process.stdout.write(stops.push(piece))
 */
export function createStops(stops: readonly string[]): StopCutter {
  if (!Array.isArray(stops)) throw new OptionError('stop is not a list', { expected: 'a list of strings' })
  return new IncrementalCutter(stops.map((stop) => new StopProgress(checkedStop(stop))))
}

class IncrementalCutter implements StopCutter {
  readonly #stops: readonly StopProgress[]
  /** Text not yet emitted; it begins at position `#emitted` of the whole. */
  #held = ''
  #emitted = 0
  #found = Number.POSITIVE_INFINITY
  #matched: string | undefined
  #decided = false

  constructor(stops: readonly StopProgress[]) {
    this.#stops = stops
  }

  get matched(): string | undefined {
    return this.#decided ? this.#matched : undefined
  }

  push(piece: string): string {
    if (this.#decided) return ''
    let end = this.#emitted + this.#held.length
    this.#held += piece
    for (let i = 0; i < piece.length && !this.#decided; i++) this.#advance(piece[i]!, ++end)
    return this.#release(Math.min(this.#found, end - this.#longestPartial()))
  }

  end(): string {
    if (this.#matched !== undefined) this.#decided = true
    return this.#release(this.#found)
  }

  /** Takes the character before position `end`. */
  #advance(character: string, end: number): void {
    for (const progress of this.#stops) {
      if (!progress.advance(character)) continue
      const start = end - progress.stop.length
      if (start < this.#found) {
        this.#found = start
        this.#matched = progress.stop
      }
    }
    this.#decided = end - this.#longestPartial() >= this.#found
  }

  #longestPartial(): number {
    return this.#stops.reduce((longest, progress) => Math.max(longest, progress.length), 0)
  }

  /** Emits up to the position `until`; once decided, the rest is dropped. */
  #release(until: number): string {
    const text = this.#held.slice(0, until - this.#emitted)
    this.#held = this.#decided ? '' : this.#held.slice(text.length)
    this.#emitted += text.length
    return text
  }
}

/** Knuth–Morris–Pratt: the longest end of the text so far that begins the stop. */
class StopProgress {
  length = 0
  readonly #borders: readonly number[]

  constructor(readonly stop: string) {
    this.#borders = borderLengths(stop)
  }

  /** True when the character completes the stop. */
  advance(character: string): boolean {
    while (this.length > 0 && this.stop[this.length] !== character) this.length = this.#borders[this.length - 1]!
    if (this.stop[this.length] === character) this.length++
    return this.length === this.stop.length
  }
}

/** For each beginning of the word: the length of its longest proper beginning that is also its end. */
function borderLengths(word: string): number[] {
  const borders = [0]
  for (let end = 1; end < word.length; end++) {
    let length = borders[end - 1]!
    while (length > 0 && word[length] !== word[end]) length = borders[length - 1]!
    borders.push(word[length] === word[end] ? length + 1 : 0)
  }
  return borders
}

function checkedStop(stop: unknown): string {
  if (typeof stop === 'string' && stop !== '' && !/\p{Surrogate}/u.test(stop)) return stop
  throw new OptionError(`stop ${JSON.stringify(stop)} cannot be found in text`, {
    expected: 'well-formed strings that are not empty',
  })
}
