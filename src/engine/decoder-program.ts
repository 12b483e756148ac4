import { roles } from '../base/slots.ts'
import type { ExtendOptions } from '../decode/stepper.ts'
import type { Transformer } from '../nn/transformer.ts'
import type { Device } from '../platform/device.ts'
import { expand, gather, int32, reshape, scalar, type Tensor, type Trace, type Variable } from '../tensor/index.ts'
import type { CacheStorage } from './cache-storage.ts'
import type { KeyValueCache } from './key-value-cache.ts'
import type { Lane } from './lanes.ts'

/** What a stepper runs: a backbone and the head that reads it. */
export interface Decoder {
  readonly backbone: Transformer
  /** Hidden states `[…, width]` → unnormalised log-probabilities `[…, vocabulary]`. */
  readonly head: { logits(hidden: Tensor): Tensor }
}

export interface ProgramSettings {
  readonly device: Device
  readonly frozen: boolean
  readonly cache: KeyValueCache
  readonly storage: CacheStorage
}

/** Rows of the wanted slots, in the order of lanes and pieces. */
export interface CallOutputs {
  readonly logits: Float32Array
  readonly hidden?: Float32Array
}

/** A compiled decoder over a cache: a way for new slots to see the old ones and to join them. */
export interface DecoderProgram {
  /** Cuts lanes into calls; the lanes of a call lie in neighbouring rows, in their order. */
  calls(lanes: readonly Lane[]): readonly (readonly Lane[])[]
  /** Computes one call and adds its slots behind those of its rows. */
  run(lanes: readonly Lane[], options: Pick<ExtendOptions, 'logits' | 'hidden'>): Promise<CallOutputs>
  /** The variables that it computes with, besides the cache. */
  readonly weights: readonly Variable[]
  dispose(): Promise<void>
}

/** Variables of a program that are not those of its cache. */
export function weightsOf({ variables }: Trace, cache: KeyValueCache): Variable[] {
  const own = new Set(cache.layers.flatMap(({ key, value }) => [...key, ...value]))
  return variables.filter((variable) => !own.has(variable))
}

/** Inputs of every decoder program. */
export const slotInputs = {
  ids: int32('B', 'T'),
  position: int32('B', 'T'),
  /** Intervals of the forest of fed slots: an ancestor's holds its descendants'. */
  enter: int32('B', 'T'),
  exit: int32('B', 'T'),
  /** Which fed slots' outputs are wanted, counted through `[batch, slot]`. */
  wanted: int32('N'),
}

/** Columns of slots that are fed now: drafts of a tree until they are committed. */
export function freshColumns({
  position,
  enter,
  exit,
}: {
  readonly position: Tensor
  readonly enter: Tensor
  readonly exit: Tensor
}) {
  const same = (value: number) => expand(scalar(value, 'int32'), position.shape)
  return { group: position, position0: position, enter, exit, parent: same(0), role: same(roles.clean), segment: same(0) }
}

/** What is read of the wanted slots of hidden states `[batch, slot, width]`. */
export function readouts({ backbone, head }: Decoder, hidden: Tensor, wanted: Tensor) {
  const read = gather(reshape(hidden, [-1, backbone.width]), wanted)
  return { logits: head.logits(read), hidden: read }
}

/** Names of the outputs that a call brings back. */
export function fetched({ logits, hidden }: Pick<ExtendOptions, 'logits' | 'hidden'>): ('logits' | 'hidden')[] {
  if (logits === 'none') return []
  return hidden === true ? ['logits', 'hidden'] : ['logits']
}

/** Host arrays of what a run brought back. */
export function callOutputs(result: {
  readonly logits?: { readonly data: unknown }
  readonly hidden?: { readonly data: unknown }
}): CallOutputs {
  const logits = (result.logits?.data ?? new Float32Array(0)) as Float32Array
  return result.hidden === undefined ? { logits } : { logits, hidden: result.hidden.data as Float32Array }
}
