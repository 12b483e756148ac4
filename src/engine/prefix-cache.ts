import { commonLength } from '../base/common-length.ts'
import type { Stepper, StepperState } from '../decode/stepper.ts'

/** A state that already holds the first `reused` tokens of what was asked for. It belongs to the taker. */
export interface CachedPrefix<State extends StepperState> {
  readonly state: State
  readonly reused: number
}

export interface PrefixCacheLoad {
  readonly states: number
  readonly bytes: number
}

interface Entry<State extends StepperState> {
  readonly state: State
  readonly tokens: Int32Array
  readonly salt: string
}

/**
 * Keeps states that nobody runs any more, with the tokens they hold, under a budget of bytes; the least recently used goes first.
 * Tokens are compared, never hashes of them, and only within one salt. One call at a time.
 */
export class PrefixCache<State extends StepperState> {
  readonly #stepper: Stepper<State>
  readonly #bytes: number
  readonly #bytesOf: (state: State) => number
  /** By rising time of the last use. */
  #entries: Entry<State>[] = []

  constructor(stepper: Stepper<State>, options: { readonly bytes: number; readonly bytesOf: (state: State) => number }) {
    this.#stepper = stepper
    this.#bytes = options.bytes
    this.#bytesOf = options.bytesOf
  }

  /**
   * The state of the longest common beginning with `tokens`, less the last of them, which must be fed to get logits. A state that is
   * used whole is handed over; of any other a fork is cut to the common length, so that the rest of it remains for others. A stepper
   * that cannot rewind can only use states whole, and forks them.
   */
  async take(tokens: readonly number[], salt: string): Promise<CachedPrefix<State> | undefined> {
    let best: Entry<State> | undefined
    let reused = 0
    for (const entry of this.#entries) {
      const length = entry.salt === salt ? this.#usableLength(entry, tokens) : 0
      if (length === 0 || length < reused) continue
      best = entry
      reused = length
    }
    if (best === undefined) return undefined
    this.#entries = this.#entries.filter((entry) => entry !== best)
    if (this.#stepper.canRewind && reused === best.tokens.length) return { state: best.state, reused }
    this.#entries.push(best)
    return { state: await this.#forkTo(best.state, reused), reused }
  }

  /** Takes over a state that holds exactly these tokens, and closes what is then too much or of no more use. */
  async put(state: State, tokens: readonly number[], salt: string): Promise<void> {
    const entry = { state, tokens: Int32Array.from(tokens), salt }
    const others = this.#entries.filter((other) => other.salt === salt)
    const better = tokens.length === 0 ? entry : others.find((other) => this.#makesNeedless(other, entry))
    if (better !== undefined) {
      this.#entries = [...this.#entries.filter((other) => other !== better), ...(better === entry ? [] : [better])]
      return this.#stepper.close(state)
    }
    const needless = others.filter((other) => this.#makesNeedless(entry, other))
    this.#entries = [...this.#entries.filter((other) => !needless.includes(other)), entry]
    await this.#close([...needless, ...this.#takeSurplus()])
  }

  async clear(): Promise<void> {
    const all = this.#entries
    this.#entries = []
    await this.#close(all)
  }

  load(): PrefixCacheLoad {
    return { states: this.#entries.length, bytes: this.#total() }
  }

  #usableLength(entry: Entry<State>, tokens: readonly number[]): number {
    const common = Math.min(commonLength(entry.tokens, tokens), tokens.length - 1)
    return this.#stepper.canRewind || common === entry.tokens.length ? common : 0
  }

  /** Whether whatever `other` is good for, `entry` is too. */
  #makesNeedless(entry: Entry<State>, other: Entry<State>): boolean {
    const holdsAll = commonLength(entry.tokens, other.tokens) === other.tokens.length
    return holdsAll && (this.#stepper.canRewind || entry.tokens.length === other.tokens.length)
  }

  async #forkTo(state: State, length: number): Promise<State> {
    const [copy] = await this.#stepper.fork(state, 1)
    if (copy!.length === length) return copy!
    try {
      await this.#stepper.rewind(copy!, length)
    } catch (error) {
      await this.#stepper.close(copy!)
      throw error
    }
    return copy!
  }

  /** Removes the entries beyond the budget. A state may cost more than when it came: its memory grows with its neighbours'. */
  #takeSurplus(): Entry<State>[] {
    const surplus: Entry<State>[] = []
    while (this.#entries.length > 0 && this.#total() > this.#bytes) surplus.push(this.#entries.shift()!)
    return surplus
  }

  #total(): number {
    return this.#entries.reduce((total, { state }) => total + this.#bytesOf(state), 0)
  }

  /** Closes all of them, also when closing one fails. */
  async #close(entries: readonly Entry<State>[]): Promise<void> {
    const results = await Promise.allSettled(entries.map(({ state }) => this.#stepper.close(state)))
    const failed = results.find(({ status }) => status === 'rejected')
    if (failed !== undefined) throw (failed as PromiseRejectedResult).reason
  }
}
