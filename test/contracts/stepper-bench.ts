import { expect } from 'vitest'
import { createRng } from '../../src/base/rng.ts'
import type { ExtendOptions, Stepper, StepperState } from '../../src/decode/stepper.ts'

export interface StepperUnderTest<State extends StepperState> {
  readonly stepper: Stepper<State>
  /** Anything that grows with open states: bytes, buffers, slots. */
  memory?(): number | Promise<number>
  dispose?(): void | Promise<void>
}

/** What the cases of the contract need around a stepper. It remembers the states it opened. */
export class StepperBench<State extends StepperState> {
  readonly #states: State[] = []

  constructor(
    readonly subject: StepperUnderTest<State>,
    /** Largest accepted difference of two logits that should be equal. */
    readonly tolerance: number,
  ) {}

  get stepper(): Stepper<State> {
    return this.subject.stepper
  }

  /** `count` fixed tokens; another `series`, other tokens. */
  tokens(count: number, series = 0): number[] {
    const stream = createRng(1).fold(series)
    return Array.from({ length: count }, (_, i) => stream.integerAt(i, this.stepper.vocabularySize))
  }

  /** A state that holds these tokens. */
  async open(tokens: readonly number[] = []): Promise<State> {
    const state = await this.stepper.open()
    this.#states.push(state)
    if (tokens.length > 0) await this.feed(state, tokens, { logits: 'none' })
    return state
  }

  async fork(state: State, count: number): Promise<State[]> {
    const copies = await this.stepper.fork(state, count)
    this.#states.push(...copies)
    return copies
  }

  /** One row; appends and returns the last slot's logits unless told otherwise. */
  async feed(state: State, tokens: readonly number[], options: Partial<ExtendOptions> = {}): Promise<Float32Array> {
    const [output] = await this.stepper.extend([{ state, tokens }], { keep: 'append', logits: 'last', ...options })
    return output!.logits
  }

  /** Scratch logits of every slot, `[slots, vocabulary]`. */
  async scratch(state: State, tokens: readonly number[], parents?: readonly number[]): Promise<Float32Array> {
    const [output] = await this.stepper.extend([{ state, tokens, ...(parents && { parents }) }], { keep: 'scratch', logits: 'all' })
    return output!.logits
  }

  /** The logits after these tokens, computed at once in a state of their own: what every other way must equal. */
  async fresh(tokens: readonly number[]): Promise<Float32Array> {
    const state = await this.open()
    const logits = await this.feed(state, tokens)
    await this.stepper.close(state)
    return logits
  }

  /** Row `index` of `[slots, vocabulary]`. */
  row(logits: Float32Array, index: number): Float32Array {
    const width = this.stepper.vocabularySize
    return logits.subarray(index * width, (index + 1) * width)
  }

  expectClose(actual: Float32Array, expected: Float32Array, what: string): void {
    expect(actual.length, `${what}: number of logits`).toBe(expected.length)
    expect(actual.length, `${what}: number of logits`).toBeGreaterThan(0)
    const difference = actual.reduce((most, x, i) => (x === expected[i] ? most : Math.max(most, Math.abs(x - expected[i]!))), 0)
    expect(difference, `${what}: largest difference of logits`).toBeLessThanOrEqual(this.tolerance)
  }

  /** That the state holds exactly these tokens: its length, and what it says of one more. */
  async expectHolds(state: State, tokens: readonly number[], what: string): Promise<void> {
    expect(state.length, `${what}: length`).toBe(tokens.length)
    const probe = this.tokens(1, 99)
    const logits = await this.scratch(state, probe)
    this.expectClose(logits, await this.fresh([...tokens, ...probe]), what)
  }

  async closeAll(): Promise<void> {
    for (const state of this.#states.splice(0)) await this.stepper.close(state)
  }
}
