import * as v from 'valibot'
import { DisposedError } from '../base/errors.ts'
import { checkOptions } from '../base/options.ts'
import { SerialQueue } from '../base/serial.ts'
import type { ExtendOptions, Extension, Outputs, Stepper, StepperState } from '../decode/stepper.ts'
import type { Device } from '../platform/device.ts'
import { compileDecoder, type Decoder, type DecoderProgram } from './decoder-program.ts'
import {
  checkExtension,
  checkFork,
  checkPath,
  checkRewind,
  depthsOf,
  parentsOf,
  refuseClosed,
  refuseForeign,
  treeColumns,
} from './extension.ts'
import { KeyValueCache } from './key-value-cache.ts'

export interface StepperOptions {
  readonly device: Device
  /** Build the weights into the session: faster, but later changes of the weights are not seen. Default true. */
  readonly frozen?: boolean
}

/** A stepper that owns native memory. */
export interface OwnedStepper<State extends StepperState = StepperState> extends Stepper<State>, AsyncDisposable {
  memory(): { readonly states: number; readonly cacheBytes: number }
}

class CachedState implements StepperState {
  length = 0
  /** Parents of the scratch slots behind `length`; undefined when there are none. */
  scratch: readonly number[] | undefined
  closed = false
  readonly owner: CachedStepper
  readonly row: number

  constructor(owner: CachedStepper, row: number) {
    this.owner = owner
    this.row = row
  }
}

/** A stepper that keeps keys and values on the device. Throws OptionError on unknown options. */
export function openStepper(decoder: Decoder, options: StepperOptions): OwnedStepper {
  checkStepperOptions(options)
  return new CachedStepper(decoder, options)
}

class CachedStepper implements OwnedStepper<CachedState> {
  readonly vocabularySize: number
  readonly contextLength: number
  readonly canRewind = true
  readonly #cache: KeyValueCache
  readonly #program: DecoderProgram
  readonly #queue = new SerialQueue()
  #disposed = false

  constructor(decoder: Decoder, { device, frozen = true }: StepperOptions) {
    const { backbone } = decoder
    this.vocabularySize = backbone.vocabularySize
    this.contextLength = backbone.context
    this.#cache = new KeyValueCache(
      device,
      backbone.layers.map((layer) => layer.self_attn.traits),
    )
    this.#program = compileDecoder(decoder, this.#cache, device, frozen)
  }

  memory(): { states: number; cacheBytes: number } {
    return { states: this.#cache.used, cacheBytes: this.#cache.bytes }
  }

  open(): Promise<CachedState> {
    return this.#inTurn([], async () => new CachedState(this, await this.#cache.take()))
  }

  extend(batch: readonly Extension<CachedState>[], options: ExtendOptions): Promise<Outputs[]> {
    const states = batch.map(({ state }) => state)
    return this.#inTurn(states, async () => {
      checkExtension(batch, options, this)
      options.signal?.throwIfAborted()
      await this.#cache.reserve(Math.max(...batch.map(({ state, tokens }) => state.length + tokens.length)))
      const outputs = new Map<CachedState, Outputs>()
      for (const run of contiguousRuns(batch)) {
        await this.#runRows(run, options, outputs)
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
        for (const { row } of copies) this.#cache.give(row)
        throw error
      }
      return copies
    })
  }

  close(state: CachedState): Promise<void> {
    return this.#queue.run(async () => {
      if (state.owner !== this) refuseForeign()
      if (!state.closed) this.#cache.give(state.row)
      state.closed = true
    })
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#queue.run(async () => {
      this.#disposed = true
      await this.#program.dispose()
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

  async #copy(state: CachedState): Promise<CachedState> {
    const copy = new CachedState(this, await this.#cache.take())
    try {
      await this.#cache.copyRow(state.row, copy.row)
    } catch (error) {
      this.#cache.give(copy.row)
      throw error
    }
    copy.length = state.length
    return copy
  }

  /** One call over neighbouring rows, padded to the longest extension. */
  async #runRows(
    batch: readonly Extension<CachedState>[],
    options: ExtendOptions,
    outputs: Map<CachedState, Outputs>,
  ): Promise<void> {
    const width = Math.max(...batch.map(({ tokens }) => tokens.length))
    const feeds = feedsOf(batch, width, options.logits)
    const rows = { start: batch[0]!.state.row, count: batch.length }
    const window = new Map([...this.#cache.keys, ...this.#cache.values].map((variable) => [variable, rows] as const))
    const only = options.logits === 'none' ? [] : options.hidden === true ? (['logits', 'hidden'] as const) : (['logits'] as const)
    // The new slots are written over older scratch, whether or not the call then succeeds.
    for (const { state } of batch) state.scratch = undefined
    const result = await this.#program.run(feeds, { rows: window, only })
    let at = 0
    for (const { state, tokens } of batch) {
      const count = wantedCount(tokens.length, options.logits)
      outputs.set(state, sliceOutputs(result, at, count))
      at += count
    }
  }
}

/** Makes fed slots part of the state, or its scratch. */
function keep({ state, tokens, parents }: Extension<CachedState>, options: ExtendOptions): void {
  if (options.keep === 'append') state.length += tokens.length
  else state.scratch = parentsOf(tokens.length, parents)
}

const stepperSchema = v.strictObject({ device: v.looseObject({}), frozen: v.optional(v.boolean()) })

export function checkStepperOptions(options: StepperOptions): void {
  checkOptions(stepperSchema, options, 'stepper')
}

/** Cuts a batch, sorted by row, into runs of neighbouring rows. */
function contiguousRuns(batch: readonly Extension<CachedState>[]): Extension<CachedState>[][] {
  const runs: Extension<CachedState>[][] = []
  for (const extension of batch.toSorted((a, b) => a.state.row - b.state.row)) {
    const last = runs.at(-1)
    if (last !== undefined && last.at(-1)!.state.row + 1 === extension.state.row) last.push(extension)
    else runs.push([extension])
  }
  return runs
}

function wantedCount(count: number, logits: ExtendOptions['logits']): number {
  return logits === 'all' ? count : Number(logits === 'last')
}

function feedsOf(batch: readonly Extension<CachedState>[], width: number, logits: ExtendOptions['logits']) {
  const size = batch.length * width
  const [ids, position, enter, exit] = [new Int32Array(size), new Int32Array(size), new Int32Array(size), new Int32Array(size)]
  const wanted: number[] = []
  batch.forEach(({ state, tokens, parents }, b) => {
    // Padding slots are roots of their own: no real slot sees them.
    const tree = [...parentsOf(tokens.length, parents), ...new Array<number>(width - tokens.length).fill(-1)]
    const intervals = treeColumns(tree)
    ids.set(Array.from(tokens), b * width)
    position.set(
      depthsOf(tree).map((depth) => state.length + depth),
      b * width,
    )
    enter.set(intervals.enter, b * width)
    exit.set(intervals.exit, b * width)
    const first = logits === 'all' ? 0 : tokens.length - wantedCount(tokens.length, logits)
    for (let i = first; i < tokens.length; i++) wanted.push(b * width + i)
  })
  const shape = [batch.length, width]
  const matrix = (data: Int32Array) => ({ dtype: 'int32' as const, shape, data })
  return {
    ids: matrix(ids),
    position: matrix(position),
    enter: matrix(enter),
    exit: matrix(exit),
    start: Int32Array.from(batch, ({ state }) => state.length),
    count: Int32Array.from(batch, ({ tokens }) => tokens.length),
    wanted: Int32Array.from(wanted),
  }
}

type RunResult = Partial<Awaited<ReturnType<DecoderProgram['run']>>>

function sliceOutputs({ logits, hidden }: RunResult, at: number, count: number): Outputs {
  const part = (tensor: NonNullable<RunResult['logits']>) => {
    const width = tensor.shape.at(-1)!
    return (tensor.data as Float32Array).slice(at * width, (at + count) * width)
  }
  const values = logits === undefined ? new Float32Array(0) : part(logits)
  return hidden === undefined ? { logits: values } : { logits: values, hidden: part(hidden) }
}
