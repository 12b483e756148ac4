import type { HostTensor } from '../base/dtype.ts'
import { DisposedError } from '../base/errors.ts'
import { SerialQueue } from '../base/serial.ts'
import type { ExtendOptions, Extension, Outputs, StepperState } from '../decode/stepper.ts'
import type { Decoder } from './decoder-program.ts'
import {
  checkExtension,
  checkFork,
  checkPath,
  checkRewind,
  checkTap,
  depthsOf,
  hiddenRequest,
  parentsOf,
  refuseClosed,
  refuseForeign,
  statesOf,
  treeColumns,
} from './extension.ts'
import { compileForward } from './forward-program.ts'
import { decodeSnapshot, encodeSnapshot, fingerprint, snapshotData } from './snapshot.ts'
import { checkDecoder, checkStepperOptions, type OwnedStepper, type StepperMemory, type StepperOptions } from './stepper-options.ts'

class RecomputeState implements StepperState {
  readonly tokens: number[] = []
  scratch: { readonly tokens: readonly number[]; readonly parents: readonly number[] } | undefined
  closed = false
  readonly owner: RecomputeStepper

  constructor(owner: RecomputeStepper) {
    this.owner = owner
  }

  get length(): number {
    return this.tokens.length
  }
}

type RecomputeProgram = ReturnType<typeof compileForward>

/** The slow, obvious stepper: keeps tokens and computes everything again at each call. The oracle of `openStepper`. */
export function openRecomputeStepper(decoder: Decoder, options: StepperOptions): OwnedStepper {
  checkStepperOptions(options)
  checkDecoder(decoder)
  return new RecomputeStepper(decoder, options)
}

class RecomputeStepper implements OwnedStepper<RecomputeState> {
  readonly vocabularySize: number
  readonly contextLength: number
  readonly canRewind = true
  readonly #program: RecomputeProgram
  readonly #taps: readonly number[]
  readonly #decoder: Decoder
  #fingerprint: Promise<string> | undefined
  readonly #queue = new SerialQueue()
  #states = 0
  #disposed = false

  constructor(decoder: Decoder, options: StepperOptions) {
    this.vocabularySize = decoder.backbone.vocabularySize
    this.contextLength = decoder.backbone.context
    this.#taps = options.taps ?? []
    this.#decoder = decoder
    this.#program = compileForward(decoder, options)
  }

  memory(): StepperMemory {
    return { states: this.#states, cacheBytes: 0, reservedBytes: 0 }
  }

  /** 4 bytes a token: all that it keeps. */
  bytesOf({ length }: RecomputeState): number {
    return 4 * length
  }

  save(state: RecomputeState): Promise<Uint8Array> {
    return this.#inTurn([state], async () => {
      const data = Int32Array.from(state.tokens)
      const tensors = new Map([['tokens', { dtype: 'int32' as const, shape: [data.length], data }]])
      return encodeSnapshot({
        model: await this.#identity(),
        length: data.length,
        floor: 0,
        intact: 0,
        tensors,
      })
    })
  }

  restore(bytes: Uint8Array): Promise<RecomputeState> {
    return this.#inTurn([], async () => {
      const snapshot = decodeSnapshot(bytes, await this.#identity())
      const expected = new Map([['tokens', { dtype: 'int32' as const, shape: [snapshot.length] }]])
      const tokens = snapshotData(snapshot, expected)('tokens')
      const state = new RecomputeState(this)
      state.tokens.push(...Array.from(tokens, Number))
      this.#states++
      return state
    })
  }

  open(): Promise<RecomputeState> {
    return this.#inTurn([], async () => {
      this.#states++
      return new RecomputeState(this)
    })
  }

  async extend(batch: readonly Extension<RecomputeState>[], options: ExtendOptions): Promise<Outputs[]> {
    return this.#inTurn(statesOf(batch), async () => {
      checkExtension(batch, options, this)
      checkTap(options, this.#taps)
      options.signal?.throwIfAborted()
      const outputs: Outputs[] = []
      for (const extension of batch) outputs.push(await this.#extendOne(extension, options))
      options.signal?.throwIfAborted()
      for (const { state, tokens, parents } of batch) {
        if (options.keep === 'append') state.tokens.push(...Array.from(tokens))
        state.scratch =
          options.keep === 'scratch' ? { tokens: Array.from(tokens), parents: parentsOf(tokens.length, parents) } : undefined
      }
      return outputs
    })
  }

  commit(state: RecomputeState, slots: readonly number[]): Promise<void> {
    return this.#inTurn([state], async () => {
      checkPath(state.scratch?.parents, slots)
      state.tokens.push(...slots.map((slot) => state.scratch!.tokens[slot]!))
      state.scratch = undefined
    })
  }

  rewind(state: RecomputeState, length: number): Promise<void> {
    return this.#inTurn([state], async () => {
      checkRewind(state, length)
      state.tokens.length = length
      state.scratch = undefined
    })
  }

  fork(state: RecomputeState, count: number): Promise<RecomputeState[]> {
    return this.#inTurn([state], async () => {
      checkFork(count)
      this.#states += count
      return Array.from({ length: count }, () => {
        const copy = new RecomputeState(this)
        copy.tokens.push(...state.tokens)
        return copy
      })
    })
  }

  close(state: RecomputeState): Promise<void> {
    return this.#queue.run(async () => {
      if (state?.owner !== this) refuseForeign()
      if (!state.closed) this.#states--
      state.closed = true
    })
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#queue.run(async () => {
      this.#disposed = true
      await this.#program.dispose()
    })
  }

  #identity(): Promise<string> {
    this.#fingerprint ??= fingerprint(compileForward(this.#decoder))
    return this.#fingerprint
  }

  /** One task at a time, on open states of this stepper. */
  #inTurn<T>(states: readonly RecomputeState[], task: () => Promise<T>): Promise<T> {
    return this.#queue.run(async () => {
      if (this.#disposed) throw new DisposedError('the stepper was disposed')
      for (const state of states) {
        if (state?.owner !== this) refuseForeign()
        refuseClosed(state)
      }
      return task()
    })
  }

  async #extendOne({ state, tokens, parents }: Extension<RecomputeState>, options: ExtendOptions): Promise<Outputs> {
    const known = state.tokens.length
    const chain = Array.from({ length: known }, (_, i) => i - 1)
    const behind = parentsOf(tokens.length, parents).map((parent) => (parent < 0 ? known - 1 : known + parent))
    const all = [...chain, ...behind]
    const { enter, exit } = treeColumns(all)
    const row = (data: Int32Array) => ({ dtype: 'int32' as const, shape: [1, all.length], data })
    const ids = Int32Array.from([...state.tokens, ...Array.from(tokens)])
    const feeds = { ids: row(ids), position: row(Int32Array.from(depthsOf(all))), enter: row(enter), exit: row(exit) }
    const result: Readonly<Record<string, HostTensor>> = await this.#program.run(feeds)
    const part = ({ data, shape }: { data: unknown; shape: readonly number[] }, slots: ExtendOptions['logits']) =>
      (data as Float32Array).slice((slots === 'all' ? known : slots === 'last' ? all.length - 1 : all.length) * shape.at(-1)!)
    const outputs = { logits: part(result.logits!, options.logits) }
    const request = hiddenRequest(options)
    if (request === undefined) return outputs
    return { ...outputs, hidden: part(result[request.layer === undefined ? 'hidden' : `tap.${request.layer}`]!, request.slots) }
  }
}
