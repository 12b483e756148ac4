import * as v from 'valibot'
import { OptionError } from '../base/errors.ts'
import { checkOptions, wholeNumber } from '../base/options.ts'
import type { Stepper, StepperState } from '../decode/stepper.ts'
import type { Device } from '../platform/device.ts'
import { cacheStorages, type StorageName } from './cache-storage.ts'
import type { Decoder } from './decoder-program.ts'

export interface StepperOptions {
  readonly device: Device
  /** Build the weights into the session: faster, but later changes of the weights are not seen. Default true. */
  readonly frozen?: boolean
  /**
   * How new slots join the cache. `growing`: in place, in the runtime's grouped-query kernel; `writing`: plain operators, whose new rows are
   * written behind the old ones. Default: growing where the device computes outputs inside their views and the model's heads fit.
   */
  readonly cache?: 'growing' | 'writing'
  /** How keys and values are kept. Default float32; the smaller ones take the `writing` cache. */
  readonly storage?: StorageName
  /**
   * Most tokens of several prompts that are computed packed in one call: faster for many short prompts, but sums are then rounded differently from
   * those of a prompt alone. Default 0: each prompt in a call of its own.
   */
  readonly packing?: number
  /** Layers, counted from 0, whose hidden states `extend` can be asked for. Default: none. */
  readonly taps?: readonly number[]
}

export interface StepperMemory {
  readonly states: number
  readonly cacheBytes: number
  readonly reservedBytes: number
}

/** A stepper that owns native memory. */
export interface OwnedStepper<State extends StepperState = StepperState> extends Stepper<State>, AsyncDisposable {
  /**
   * Open states, the bytes of what they hold, and the bytes of the room that there is for states. Room that nothing was written to takes no memory
   * where the system gives pages lazily; it grows with the number of states and is kept for the next ones.
   */
  memory(): StepperMemory
  /** Bytes that one state's slots take. */
  bytesOf(state: State): number
  /** What a state holds, scratch left out, for `restore` of a stepper with the same weights. */
  save(state: State): Promise<Uint8Array>
  /** A state as it was saved. Throws FormatError on bytes that are damaged, MismatchError on those of another model, layout or storage. */
  restore(bytes: Uint8Array): Promise<State>
}

const stepperSchema = v.strictObject({
  device: v.custom<Device>((value) => typeof (value as Device | null)?.run === 'function', 'expected what openDevice gives'),
  frozen: v.optional(v.boolean()),
  cache: v.optional(v.picklist(['growing', 'writing'])),
  storage: v.optional(v.picklist(Object.keys(cacheStorages) as StorageName[])),
  packing: v.optional(wholeNumber(0)),
  taps: v.optional(v.array(wholeNumber(0))),
})

export function checkStepperOptions(options: StepperOptions): void {
  checkOptions(stepperSchema, options, 'stepper')
}

/** Throws OptionError unless a stepper can be made of it. */
export function checkDecoder(decoder: Decoder): void {
  if (Array.isArray(decoder?.backbone?.layers) && typeof decoder.head?.logits === 'function') return
  throw new OptionError('the decoder is none', { expected: '{ backbone, head }: a transformer and what reads it' })
}
