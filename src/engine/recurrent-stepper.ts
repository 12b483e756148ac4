import { DisposedError, OptionError } from '../base/errors.ts'
import { SerialQueue } from '../base/serial.ts'
import type { ExtendOptions, Extension, Outputs, StepperState } from '../decode/stepper.ts'
import { assignRows, compile, int32, type Tensor } from '../tensor/index.ts'
import {
  checkExtension,
  checkFork,
  checkPath,
  checkTap,
  hiddenRequest,
  parentsOf,
  refuseClosed,
  refuseForeign,
  statesOf,
} from './extension.ts'
import { wantedCount } from './lanes.ts'
import { RowStore } from './row-store.ts'
import { decodeSnapshot, encodeSnapshot, fingerprint, snapshotData } from './snapshot.ts'
import { checkStepperOptions, type OwnedStepper, type StepperMemory, type StepperOptions } from './stepper-options.ts'

/** A network that reads one token at a time into a state of fixed size. */
export interface RecurrentDecoder {
  readonly vocabularySize: number
  /** Most positions a state may hold; the network itself has no limit. */
  readonly contextLength: number
  /** Values of a row's state. */
  readonly stateSize: number
  /** ids int32 `[batch]` and states `[batch, stateSize]` → logits `[batch, vocabulary]`, hidden `[batch, width]`, and the states afterwards. */
  step(ids: Tensor, state: Tensor): { readonly logits: Tensor; readonly hidden: Tensor; readonly state: Tensor }
}

class RecurrentState implements StepperState {
  length = 0
  closed = false
  /** Rows of the states after each scratch slot, and the slots' parents. */
  scratch: { readonly parents: readonly number[]; readonly rows: readonly number[] } | undefined
  readonly owner: object
  readonly row: number

  constructor(owner: object, row: number) {
    this.owner = owner
    this.row = row
  }
}

type RecurrentExtension = Extension<RecurrentState>

/** A token that a row reads. */
interface Reading {
  readonly row: number
  readonly token: number
}

/**
 * A stepper without a cache of slots: a state is one row, which every token overwrites. It cannot rewind (but to nothing); forks are copies of
 * a row, and every scratch slot keeps the row after it until one is committed.
 */
export function openRecurrentStepper(decoder: RecurrentDecoder, options: Pick<StepperOptions, 'device' | 'frozen'>): OwnedStepper {
  checkStepperOptions(options)
  if (typeof decoder?.step !== 'function') throw new OptionError('the decoder has no step', { expected: 'a recurrent decoder' })
  return new RecurrentStepper(decoder, options)
}

class RecurrentStepper implements OwnedStepper<RecurrentState> {
  readonly vocabularySize: number
  readonly contextLength: number
  readonly canRewind = false
  readonly #rows: RowStore
  readonly #stateSize: number
  readonly #program: ReturnType<typeof compileStep>
  readonly #queue = new SerialQueue()
  readonly #states = new Set<RecurrentState>()
  #fingerprint: Promise<string> | undefined
  #disposed = false

  constructor(decoder: RecurrentDecoder, { device, frozen = true }: StepperOptions) {
    this.vocabularySize = decoder.vocabularySize
    this.contextLength = decoder.contextLength
    this.#stateSize = decoder.stateSize
    this.#rows = new RowStore(device, decoder.stateSize)
    this.#program = compileStep(decoder, this.#rows, { device, frozen })
  }

  memory(): StepperMemory {
    const cacheBytes = [...this.#states].reduce((total, state) => total + this.bytesOf(state), 0)
    return { states: this.#states.size, cacheBytes, reservedBytes: this.#rows.bytes }
  }

  bytesOf({ scratch }: RecurrentState): number {
    return 4 * this.#stateSize * (1 + (scratch?.rows.length ?? 0))
  }

  open(): Promise<RecurrentState> {
    return this.#inTurn([], () => this.#open())
  }

  async extend(batch: readonly RecurrentExtension[], options: ExtendOptions): Promise<Outputs[]> {
    return this.#inTurn(statesOf(batch), async () => {
      checkExtension(batch, options, this)
      checkTap(options, [])
      options.signal?.throwIfAborted()
      return options.keep === 'append' ? this.#append(batch, options) : this.#draft(batch, options)
    })
  }

  commit(state: RecurrentState, slots: readonly number[]): Promise<void> {
    return this.#inTurn([state], async () => {
      checkPath(state.scratch?.parents, slots)
      const last = slots.at(-1)
      if (last !== undefined) await this.#rows.copy(state.scratch!.rows[last]!, state.row)
      this.#dropScratch(state)
      state.length += slots.length
    })
  }

  rewind(state: RecurrentState, length: number): Promise<void> {
    return this.#inTurn([state], async () => {
      if (length !== 0 && length !== state.length) {
        throw new OptionError(`rewind to ${length}`, {
          expected: `0 or ${state.length}: a recurrent state does not know what it was`,
          fix: 'keep a fork of the state to come back to',
        })
      }
      this.#dropScratch(state)
      if (length === 0) await this.#rows.clear(state.row)
      state.length = length
    })
  }

  fork(state: RecurrentState, count: number): Promise<RecurrentState[]> {
    return this.#inTurn([state], async () => {
      checkFork(count)
      const copies: RecurrentState[] = []
      for (let i = 0; i < count; i++) {
        const copy = await this.#open()
        copies.push(copy)
        copy.length = state.length
        await this.#rows.copy(state.row, copy.row).catch((error: unknown) => {
          for (const each of copies) this.#free(each)
          throw error
        })
      }
      return copies
    })
  }

  save(state: RecurrentState): Promise<Uint8Array> {
    return this.#inTurn([state], async () => {
      const tensors = new Map([['state', await this.#rows.read(state.row)]])
      return encodeSnapshot({ model: await this.#identity(), length: state.length, floor: 0, intact: 0, tensors })
    })
  }

  restore(bytes: Uint8Array): Promise<RecurrentState> {
    return this.#inTurn([], async () => {
      const snapshot = decodeSnapshot(bytes, await this.#identity())
      const data = snapshotData(snapshot, new Map([['state', { dtype: 'float32', shape: [this.#stateSize] }]]))('state')
      const state = await this.#open()
      await this.#rows.write(state.row, data).catch((error: unknown) => {
        this.#free(state)
        throw error
      })
      state.length = snapshot.length
      return state
    })
  }

  close(state: RecurrentState): Promise<void> {
    return this.#queue.run(async () => {
      if (state?.owner !== this) refuseForeign()
      if (!state.closed) this.#free(state)
    })
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#queue.run(async () => {
      this.#disposed = true
      await this.#program.dispose()
      await this.#rows.dispose()
    })
  }

  /** One task at a time, on open states of this stepper. */
  #inTurn<T>(states: readonly RecurrentState[], task: () => Promise<T>): Promise<T> {
    return this.#queue.run(async () => {
      if (this.#disposed) throw new DisposedError('the stepper was disposed')
      for (const state of states) {
        if (state?.owner !== this) refuseForeign()
        refuseClosed(state)
      }
      return task()
    })
  }

  #identity(): Promise<string> {
    this.#fingerprint ??= fingerprint(this.#program, [this.#rows.variable])
    return this.#fingerprint
  }

  async #open(): Promise<RecurrentState> {
    const state = new RecurrentState(this, await this.#rows.take())
    this.#states.add(state)
    return state
  }

  #free(state: RecurrentState): void {
    state.closed = true
    this.#dropScratch(state)
    this.#rows.give(state.row)
    this.#states.delete(state)
  }

  #dropScratch(state: RecurrentState): void {
    for (const row of state.scratch?.rows ?? []) this.#rows.give(row)
    state.scratch = undefined
  }

  /** Reads into copies, which take the rows' place only when all went well. */
  async #append(batch: readonly RecurrentExtension[], options: ExtendOptions): Promise<Outputs[]> {
    const chains = batch.map((extension) => ({ ...extension, rows: [] as number[] }))
    try {
      for (const chain of chains) {
        chain.rows.push(await this.#rows.take())
        await this.#rows.copy(chain.state.row, chain.rows[0]!)
      }
      const outputs = await this.#readChains(chains, options)
      for (const { state, tokens, rows } of chains) {
        await this.#rows.copy(rows[0]!, state.row)
        this.#dropScratch(state)
        state.length += tokens.length
      }
      return outputs
    } finally {
      for (const row of chains.flatMap(({ rows }) => rows)) this.#rows.give(row)
    }
  }

  /** Token by token, all rows that have one left together. */
  async #readChains(
    chains: readonly (RecurrentExtension & { readonly rows: readonly number[] })[],
    options: ExtendOptions,
  ): Promise<Outputs[]> {
    const collected = chains.map((): Required<Outputs>[] => [])
    const longest = Math.max(...chains.map(({ tokens }) => tokens.length))
    for (let i = 0; i < longest; i++) {
      const now = chains.flatMap(({ tokens, rows }, c) => (i < tokens.length ? [{ c, row: rows[0]!, token: tokens[i]! }] : []))
      const results = await this.#read(now)
      for (const [r, { c }] of now.entries()) collected[c]!.push(results[r]!)
      options.signal?.throwIfAborted()
    }
    return collected.map((each) => joined(each, options))
  }

  /** Every slot of a tree has a row of its own, which begins as its parent's. */
  async #draft(batch: readonly RecurrentExtension[], options: ExtendOptions): Promise<Outputs[]> {
    const outputs: Outputs[] = []
    for (const { state, tokens, parents } of batch) {
      this.#dropScratch(state)
      const tree = parentsOf(tokens.length, parents)
      const rows: number[] = []
      const results: Required<Outputs>[] = []
      try {
        for (const [slot, parent] of tree.entries()) {
          rows.push(await this.#rows.take())
          await this.#rows.copy(parent < 0 ? state.row : rows[parent]!, rows[slot]!)
          results.push(...(await this.#read([{ row: rows[slot]!, token: tokens[slot]! }])))
          options.signal?.throwIfAborted()
        }
      } catch (error) {
        for (const row of rows) this.#rows.give(row)
        throw error
      }
      state.scratch = { parents: tree, rows }
      outputs.push(joined(results, options))
    }
    return outputs
  }

  /** One call for each run of neighbouring rows. */
  async #read(readings: readonly Reading[]): Promise<Required<Outputs>[]> {
    const outputs = new Map<number, Required<Outputs>>()
    for (const run of neighbours(readings)) {
      const rows = new Map([[this.#rows.variable, { start: run[0]!.row, count: run.length }]])
      const ids = Int32Array.from(run, ({ token }) => token)
      const { logits, hidden } = await this.#program.run(
        { ids, start: new Int32Array(run.length), count: new Int32Array(run.length).fill(this.#stateSize) },
        { rows },
      )
      for (const [i, { row }] of run.entries()) {
        const part = ({ data }: { readonly data: unknown }) => {
          const width = (data as Float32Array).length / run.length
          return (data as Float32Array).slice(i * width, (i + 1) * width)
        }
        outputs.set(row, { logits: part(logits), hidden: part(hidden) })
      }
    }
    return readings.map(({ row }) => outputs.get(row)!)
  }
}

function compileStep(
  decoder: RecurrentDecoder,
  rows: RowStore,
  { device, frozen }: { device: StepperOptions['device']; frozen: boolean },
) {
  return compile(
    { ids: int32('B'), start: int32('B'), count: int32('B') },
    ({ ids, start, count }) => {
      const { logits, hidden, state } = decoder.step(ids, rows.variable.tensor)
      return { logits, hidden, next: [assignRows(rows.variable, state, 1, start, count)] }
    },
    { device, frozen, name: 'recurrent' },
  )
}

function neighbours(readings: readonly Reading[]): Reading[][] {
  const runs: Reading[][] = []
  for (const reading of readings.toSorted((a, b) => a.row - b.row)) {
    const last = runs.at(-1)
    if (last?.at(-1)?.row === reading.row - 1) last!.push(reading)
    else runs.push([reading])
  }
  return runs
}

/** Outputs of slots one after another, as a call asked for those of one extension. */
function joined(slots: readonly Required<Outputs>[], options: ExtendOptions): Outputs {
  const of = (which: ExtendOptions['logits'], part: 'logits' | 'hidden') =>
    concatenated(slots.slice(slots.length - wantedCount(slots.length, which)).map((each) => each[part]))
  const request = hiddenRequest(options)
  const logits = of(options.logits, 'logits')
  return request === undefined ? { logits } : { logits, hidden: of(request.slots, 'hidden') }
}

function concatenated(arrays: readonly Float32Array[]): Float32Array {
  const result = new Float32Array(arrays.reduce((length, each) => length + each.length, 0))
  let at = 0
  for (const each of arrays) {
    result.set(each, at)
    at += each.length
  }
  return result
}
