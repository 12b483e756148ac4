import type { Constraint, ConstraintState } from '../../../src/decode/constraint.ts'

/** A deterministic automaton over tokens: `moves[place][token]` is the place that a token leads to. */
export interface Automaton {
  readonly moves: readonly Readonly<Record<number, number>>[]
  /** Where the text may end. */
  readonly complete: readonly number[]
  readonly endTokens?: readonly number[]
}

export interface StubFaults {
  readonly open?: Error
  /** Of the index-th question. */
  readonly allowed?: readonly [index: number, error: Error]
  /** What each answer waits for. */
  readonly gate?: () => Promise<void>
}

/** The obvious constraint. It counts its states, and hears when it is asked in a wrong order. */
export class StubConstraint implements Constraint {
  opened = 0
  openStates = 0
  readonly #automaton: Automaton
  readonly #faults: StubFaults

  constructor(automaton: Automaton, faults: StubFaults = {}) {
    this.#automaton = automaton
    this.#faults = faults
  }

  async open(): Promise<ConstraintState> {
    await this.#faults.gate?.()
    if (this.#faults.open) throw this.#faults.open
    this.opened++
    this.openStates++
    return this.#state()
  }

  #state(): ConstraintState {
    const { endTokens = [] } = this.#automaton
    let place = 0
    let ended = false
    let asked = 0
    let closed = false
    const next = () => this.next(place)
    return {
      allowed: async () => {
        const [index, error] = this.#faults.allowed ?? []
        if (asked++ === index) throw error
        await this.#faults.gate?.()
        if (closed) throw new Error('the state is closed')
        return bits(next())
      },
      advance: async (token) => {
        if (closed || ended || !next().includes(token)) throw new Error(`token ${token} is not allowed`)
        if (endTokens.includes(token)) ended = true
        else place = this.#automaton.moves[place]![token]!
      },
      get finished() {
        return ended || next().every((token) => endTokens.includes(token))
      },
      close: async () => {
        if (closed) throw new Error('the state is closed already')
        closed = true
        this.openStates--
      },
    }
  }

  /** Tokens that may come at a place. */
  next(place: number): number[] {
    const { moves, complete, endTokens = [] } = this.#automaton
    return [...Object.keys(moves[place]!).map(Number), ...(complete.includes(place) ? endTokens : [])]
  }
}

function bits(tokens: readonly number[]): Int32Array {
  const words = new Int32Array(1 + Math.floor(Math.max(0, ...tokens) / 32))
  for (const token of tokens) words[token >> 5]! |= 1 << (token & 31)
  return words
}

/** 1 (2 3)* 4 over 8 tokens, 7 ends; behind a 4 nothing comes. */
export const loops: Automaton = { moves: [{ 1: 1 }, { 2: 2, 4: 3 }, { 3: 1 }, {}], complete: [3], endTokens: [7] }

/** Any run of 5 and 6; 7 ends. */
export const open: Automaton = { moves: [{ 5: 0, 6: 0 }], complete: [0], endTokens: [7] }

/** The same, which never ends. */
export const endless: Automaton = { ...open, complete: [] }
