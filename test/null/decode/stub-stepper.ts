import { ContextError, DataError, DisposedError, OptionError } from '../../../src/base/errors.ts'
import { createRng } from '../../../src/base/rng.ts'
import type { ExtendOptions, Extension, Outputs, Stepper } from '../../../src/decode/stepper.ts'

/** What a model is, as far as decoding goes: a function of the tokens so far. */
export type LogitsOf = (tokens: readonly number[]) => ArrayLike<number>

/** Random logits that any change of any token changes. */
export function hashedLogits(vocabularySize: number, seed = 0): LogitsOf {
  return (tokens) => {
    const stream = tokens.reduce((rng, token) => rng.fold(token), createRng(seed))
    return stream.fillNormal(new Float32Array(vocabularySize)).map((x) => 2 * x)
  }
}

/** Logits of the next token after each token: `table[last]`. */
export function bigramLogits(table: readonly (readonly number[])[]): LogitsOf {
  return (tokens) => table[tokens.at(-1)!]!
}

export interface StubState {
  readonly length: number
  tokens: readonly number[]
  /** Token path of each scratch slot, and its parent. */
  scratch: readonly { readonly path: readonly number[]; readonly parent: number }[]
  closed: boolean
}

/** The obvious stepper: it remembers the tokens and computes every slot from its whole path. */
export class StubStepper implements Stepper<StubState> {
  readonly canRewind: boolean = true
  openStates = 0
  /** Slots fed by each call of `extend`. */
  readonly calls: number[] = []

  constructor(
    readonly vocabularySize = 8,
    readonly contextLength = 32,
    readonly logitsOf: LogitsOf = hashedLogits(vocabularySize),
  ) {}

  async open(): Promise<StubState> {
    return this.create([])
  }

  async extend(batch: readonly Extension<StubState>[], options: ExtendOptions): Promise<Outputs[]> {
    options.signal?.throwIfAborted()
    for (const extension of batch) this.check(extension, options)
    this.calls.push(batch.reduce((sum, { tokens }) => sum + tokens.length, 0))
    return batch.map((extension) => this.extendOne(extension, options))
  }

  async commit(state: StubState, slots: readonly number[]): Promise<void> {
    refuseClosed(state)
    for (const [i, slot] of slots.entries()) {
      const parent = i === 0 ? -1 : slots[i - 1]!
      if (state.scratch[slot]?.parent !== parent) throw new OptionError(`slot ${slot} is no child of slot ${parent}`)
    }
    if (slots.length > 0) state.tokens = state.scratch[slots.at(-1)!]!.path
    state.scratch = []
  }

  async rewind(state: StubState, length: number): Promise<void> {
    refuseClosed(state)
    if (!Number.isInteger(length) || length < 0 || length > state.length) throw new OptionError(`cannot rewind to ${length}`)
    state.tokens = state.tokens.slice(0, length)
    state.scratch = []
  }

  async fork(state: StubState, count: number): Promise<StubState[]> {
    refuseClosed(state)
    return Array.from({ length: count }, () => this.create(state.tokens))
  }

  async close(state: StubState): Promise<void> {
    if (!state.closed) this.openStates--
    state.closed = true
  }

  private create(tokens: readonly number[]): StubState {
    this.openStates++
    return {
      tokens,
      scratch: [],
      closed: false,
      get length() {
        return this.tokens.length
      },
    }
  }

  private check({ state, tokens, parents }: Extension<StubState>, { keep }: ExtendOptions): void {
    refuseClosed(state)
    if (state.length + tokens.length > this.contextLength) throw new ContextError('the state would outgrow the context')
    const known = Array.from(tokens).every((id) => Number.isInteger(id) && id >= 0 && id < this.vocabularySize)
    if (!known) throw new DataError('a token is not in the vocabulary')
    if (parents === undefined) return
    if (keep === 'append') throw new OptionError('parents go with scratch')
    const ordered = Array.from(parents).every((parent, slot) => Number.isInteger(parent) && parent >= -1 && parent < slot)
    if (parents.length !== tokens.length || !ordered) throw new OptionError('parents are no tree')
  }

  private extendOne({ state, tokens, parents }: Extension<StubState>, { keep, logits, hidden }: ExtendOptions): Outputs {
    const slots: { path: number[]; parent: number }[] = []
    for (let i = 0; i < tokens.length; i++) {
      const parent = parents?.[i] ?? i - 1
      slots.push({ path: [...(slots[parent]?.path ?? state.tokens), tokens[i]!], parent })
    }
    if (keep === 'append') state.tokens = slots.at(-1)?.path ?? state.tokens
    state.scratch = keep === 'scratch' ? slots : []
    const wanted = logits === 'all' ? slots : logits === 'last' ? slots.slice(-1) : []
    const rows = wanted.map(({ path }) => Array.from(this.logitsOf(path)))
    const output = { logits: Float32Array.from(rows.flat()) }
    return hidden ? { ...output, hidden: Float32Array.from(rows.flatMap((row) => row.slice(0, 2))) } : output
  }
}

function refuseClosed(state: StubState): void {
  if (state.closed) throw new DisposedError('the state is closed')
}
