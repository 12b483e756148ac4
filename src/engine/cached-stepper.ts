import { ContextError, DisposedError, OptionError } from '../base/errors.ts'
import { SerialQueue } from '../base/serial.ts'
import type { ExtendOptions, Extension, Outputs, StepperState } from '../decode/stepper.ts'
import { type CacheStorage, cacheStorages, type StorageName } from './cache-storage.ts'
import { CachedState } from './cached-state.ts'
import type { Decoder, DecoderProgram } from './decoder-program.ts'
import {
  checkExtension,
  checkForgotten,
  checkFork,
  checkPath,
  checkRewind,
  checkTap,
  parentsOf,
  refuseClosed,
  refuseForeign,
  statesOf,
} from './extension.ts'
import { compileForward } from './forward-program.ts'
import { compileGrowing } from './growing-program.ts'
import { KeyShifter } from './key-shifter.ts'
import { capacityStep, KeyValueCache } from './key-value-cache.ts'
import { type CachedExtension, type Lane, laneOf, packLanes } from './lanes.ts'
import { OutputCutter } from './output-cutter.ts'
import { fewestMoves } from './row-moves.ts'
import { decodeSnapshot, encodeSnapshot, fingerprint, snapshotData } from './snapshot.ts'
import { checkDecoder, checkStepperOptions, type OwnedStepper, type StepperMemory, type StepperOptions } from './stepper-options.ts'
import { compileWriting } from './writing-program.ts'

/** A stepper that keeps keys and values of every position, so that single ones can be dropped. */
export interface CacheStepper<State extends StepperState = StepperState> extends OwnedStepper<State> {
  /**
   * Drops positions from the middle, so that later ones follow on what stands before the gap: for streams longer than the context. What comes next
   * differs from a state that never held the dropped positions, whose neighbours had seen them. `rewind` then reaches no further back than here.
   * Throws OptionError on a range that the state has not, and on models whose positions are not rotations. Xiao et al. 2023, StreamingLLM.
   */
  forget(state: State, range: { readonly start: number; readonly count: number }): Promise<void>
}

/** A stepper that keeps keys and values on the device. Throws OptionError on unknown options, or options that do not fit the model. */
export function openStepper(decoder: Decoder, options: StepperOptions): CacheStepper {
  checkStepperOptions(options)
  checkDecoder(decoder)
  return new CachedStepper(decoder, options)
}

/** Rows begin with room for the whole context up to this; beyond, they grow. */
const largestFirstCapacity = 8192

class CachedStepper implements CacheStepper<CachedState> {
  readonly vocabularySize: number
  readonly contextLength: number
  readonly canRewind = true
  readonly #cache: KeyValueCache
  readonly #program: DecoderProgram
  readonly #shifter: KeyShifter
  readonly #storage: StorageName
  readonly #packing: number
  readonly #taps: readonly number[]
  readonly #decoder: Decoder
  #fingerprint: Promise<string> | undefined
  readonly #states = new Set<CachedState>()
  readonly #queue = new SerialQueue()
  #disposed = false

  constructor(decoder: Decoder, options: StepperOptions) {
    const { device, frozen = true, storage: name = 'float32', packing = 0, taps = [] } = options
    const { backbone } = decoder
    const storage = cacheStorages[name]
    const kind = cacheKind(decoder, options, storage)
    this.vocabularySize = backbone.vocabularySize
    this.contextLength = backbone.context
    this.#storage = name
    this.#packing = packing
    this.#decoder = decoder
    this.#taps = checkedTaps(taps, backbone.layers.length)
    this.#shifter = new KeyShifter(decoder, device)
    this.#cache = new KeyValueCache({
      device,
      storage,
      layouts: backbone.layers.map(({ self_attn }) => self_attn.traits),
      capacity: kind === 'growing' ? Math.min(backbone.context + capacityStep, largestFirstCapacity) : capacityStep,
      held: () => this.#states,
    })
    const compile = kind === 'growing' ? compileGrowing : compileWriting
    this.#program = compile(decoder, { device, frozen, storage, taps, cache: this.#cache })
  }

  memory(): StepperMemory {
    const cacheBytes = [...this.#states].reduce((total, state) => total + this.bytesOf(state), 0)
    const reservedBytes = this.#cache.rows * this.#cache.capacity * this.#cache.slotBytes
    return { states: this.#states.size, cacheBytes, reservedBytes }
  }

  bytesOf({ used }: CachedState): number {
    return used * this.#cache.slotBytes
  }

  open(): Promise<CachedState> {
    return this.#inTurn([], () => this.#open())
  }

  async extend(batch: readonly Extension<CachedState>[], options: ExtendOptions): Promise<Outputs[]> {
    return this.#inTurn(statesOf(batch), async () => {
      checkExtension(batch, options, this)
      checkTap(options, this.#taps)
      options.signal?.throwIfAborted()
      const lanes = this.#lanes(batch)
      await this.#cache.reserve(Math.max(...lanes.map(({ start, tokens }) => start + tokens.length)))
      const outputs = new Map<CachedState, Outputs>()
      for (const call of this.#program.calls(lanes)) {
        await this.#run(call, options, outputs)
        options.signal?.throwIfAborted()
      }
      for (const extension of batch) keep(extension, options)
      return batch.map(({ state }) => outputs.get(state)!)
    })
  }

  commit(state: CachedState, slots: readonly number[]): Promise<void> {
    return this.#inTurn([state], async () => {
      checkPath(state.scratch, slots)
      const sources = slots.map((slot) => state.length + slot)
      state.scratch = undefined
      await this.#cache.moveSlots(state.row, sources, state.length)
      state.length += slots.length
    })
  }

  rewind(state: CachedState, length: number): Promise<void> {
    return this.#inTurn([state], async () => {
      checkRewind(state, length)
      state.length = length
      state.scratch = undefined
    })
  }

  fork(state: CachedState, count: number): Promise<CachedState[]> {
    return this.#inTurn([state], async () => {
      checkFork(count)
      const copies: CachedState[] = []
      try {
        for (let i = 0; i < count; i++) copies.push(await this.#copy(state))
      } catch (error) {
        for (const copy of copies) this.#free(copy)
        throw error
      }
      return copies
    })
  }

  save(state: CachedState): Promise<Uint8Array> {
    return this.#inTurn([state], async () => {
      const { length, floor, intact, row } = state
      return encodeSnapshot({
        model: await this.#identity(),
        length,
        floor,
        intact,
        tensors: await this.#cache.readRow(row, length),
      })
    })
  }

  restore(bytes: Uint8Array): Promise<CachedState> {
    return this.#inTurn([], async () => {
      const snapshot = decodeSnapshot(bytes, await this.#identity())
      const { length } = snapshot
      if (length > this.contextLength)
        throw new ContextError(`a saved state of ${length} positions`, { expected: `at most ${this.contextLength}` })
      const dataOf = snapshotData(snapshot, this.#cache.describeRow(length))
      const state = await this.#open()
      try {
        await this.#cache.reserve(length)
        await this.#cache.writeRow(state.row, length, dataOf)
      } catch (error) {
        this.#free(state)
        throw error
      }
      return Object.assign(state, { length, floor: snapshot.floor, intact: snapshot.intact })
    })
  }

  forget(state: CachedState, range: { readonly start: number; readonly count: number }): Promise<void> {
    return this.#inTurn([state], async () => {
      checkForgotten(state, range)
      if (this.#storage !== 'float32') throw new OptionError(`forgetting in a cache of ${this.#storage}`, { expected: 'float32' })
      await this.#forget(state, range.start, range.count)
    })
  }

  close(state: CachedState): Promise<void> {
    return this.#queue.run(async () => {
      if (state?.owner !== this) refuseForeign()
      if (!state.closed) this.#free(state)
    })
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#queue.run(async () => {
      this.#disposed = true
      await this.#program.dispose()
      await this.#shifter.dispose()
      await this.#cache.dispose()
    })
  }

  /** One task at a time, on open states of this stepper. */
  #inTurn<T>(states: readonly CachedState[], task: () => Promise<T>): Promise<T> {
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
    this.#fingerprint ??= fingerprint(compileForward(this.#decoder))
    return this.#fingerprint
  }

  /** Slots behind the forgotten ones move up to their places: rows and positions alike. */
  async #forget(state: CachedState, start: number, count: number): Promise<void> {
    const [slot, moved] = [start + count, state.length - start - count]
    state.scratch = undefined
    if (moved > 0) await this.#shifter.shift(this.#cache, state.row, { slot, count: moved, by: -count })
    await this.#cache.copySlots({ row: state.row, slot }, { row: state.row, slot: start }, moved)
    state.intact = state.floor === 0 ? start : Math.min(state.intact, start)
    state.length -= count
    state.floor = state.length
  }

  async #open(): Promise<CachedState> {
    const state = new CachedState(this, await this.#cache.take())
    this.#states.add(state)
    return state
  }

  #free(state: CachedState): void {
    state.closed = true
    this.#states.delete(state)
    this.#cache.give(state.row)
  }

  async #copy(state: CachedState): Promise<CachedState> {
    const copy = await this.#open()
    try {
      await this.#cache.copySlots({ row: state.row, slot: 0 }, { row: copy.row, slot: 0 }, state.length)
    } catch (error) {
      this.#free(copy)
      throw error
    }
    return Object.assign(copy, { length: state.length, floor: state.floor, intact: state.intact })
  }

  /** Several prompts of empty states are packed; every other extension is a lane of its own. */
  #lanes(batch: readonly CachedExtension[]): Lane[] {
    const isPrompt = ({ state, tokens }: CachedExtension) => state.length === 0 && tokens.length > 1
    const prompts = batch.filter(isPrompt)
    if (prompts.length < 2 || this.#packing === 0) return batch.map(laneOf)
    const packed = packLanes(prompts, this.#packing)
    if (this.#program.pads && computedSlots(packed) >= computedSlots(prompts.map(laneOf))) return batch.map(laneOf)
    return [...batch.filter((extension) => !isPrompt(extension)).map(laneOf), ...packed]
  }

  async #run(given: readonly Lane[], options: ExtendOptions, outputs: Map<CachedState, Outputs>): Promise<void> {
    const lanes = await this.#arrange(given)
    const pieces = lanes.flatMap((lane) => lane.pieces.map((piece) => ({ lane, ...piece })))
    // The new slots are written over older scratch, whether or not the call then succeeds.
    for (const { extension } of pieces) extension.state.scratch = undefined
    const result = await this.#program.run(lanes, options)
    const cut = new OutputCutter(
      result,
      options,
      pieces.map(({ extension }) => extension.tokens.length),
    )
    for (const { lane, extension, offset } of pieces) {
      const { state, tokens } = extension
      if (state.row !== lane.row)
        await this.#cache.copySlots({ row: lane.row, slot: offset }, { row: state.row, slot: 0 }, tokens.length)
      outputs.set(state, cut.next(tokens.length))
    }
  }

  /** Brings the rows of several lanes side by side, moving as few as possible, and puts the lanes into their order. */
  async #arrange(lanes: readonly Lane[]): Promise<readonly Lane[]> {
    if (lanes.length < 2) return lanes
    const states = lanes.map(({ pieces }) => pieces[0]!.extension.state)
    const rows = states.map(({ row }) => row)
    for (const { from, to } of fewestMoves(rows, this.#cache.rows).moves) await this.#move(states[rows.indexOf(from)]!, to)
    const moved = lanes.map((lane, i) => ({ ...lane, row: states[i]!.row }))
    return moved.toSorted((a, b) => a.row - b.row)
  }

  /** Moves a state to a row; whoever lies there, and is not in the call, moves to a free one. */
  async #move(state: CachedState, row: number): Promise<void> {
    const other = [...this.#states].find((each) => each.row === row)
    if (other !== undefined) await this.#relocate(other, await this.#cache.take())
    else this.#cache.takeRow(row)
    const former = state.row
    await this.#relocate(state, row)
    this.#cache.give(former)
  }

  /** To a row that was taken; the former row is left to whoever gets it next. */
  async #relocate(state: CachedState, row: number): Promise<void> {
    try {
      await this.#cache.copySlots({ row: state.row, slot: 0 }, { row, slot: 0 }, state.used)
    } catch (error) {
      this.#cache.give(row)
      throw error
    }
    state.row = row
  }
}

/** Slots of a call whose lanes are all as long as the longest. */
function computedSlots(lanes: readonly Lane[]): number {
  return lanes.length * Math.max(...lanes.map(({ tokens }) => tokens.length))
}

function cacheKind({ backbone }: Decoder, { device, cache }: StepperOptions, storage: CacheStorage): 'growing' | 'writing' {
  const fits = backbone.layers.every(({ self_attn }) => self_attn.traits.headWidth % 8 === 0)
  if (cache === 'growing' && (!fits || storage.name !== 'float32'))
    throw new OptionError(`a growing cache of ${storage.name}`, {
      expected: 'float32, and heads whose width 8 divides',
      fix: "use cache: 'writing'",
    })
  if (cache !== undefined) return cache
  return device.info.boundOutputs && fits && storage.name === 'float32' ? 'growing' : 'writing'
}

/** Makes fed slots part of the state, or its scratch. */
function keep({ state, tokens, parents }: CachedExtension, options: ExtendOptions): void {
  if (options.keep === 'append') state.length += tokens.length
  else state.scratch = parentsOf(tokens.length, parents)
}

function checkedTaps(taps: readonly number[], layers: number): readonly number[] {
  const strange = taps.find((layer) => layer >= layers)
  if (strange !== undefined) throw new OptionError(`stepper: taps layer ${strange}`, { expected: `layers below ${layers}` })
  return taps
}
