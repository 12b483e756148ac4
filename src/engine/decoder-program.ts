import { roles } from '../base/slots.ts'
import type { ExtendOptions, HiddenRequest } from '../decode/stepper.ts'
import type { BackboneOutput, Transformer } from '../nn/transformer.ts'
import type { Device } from '../platform/device.ts'
import { expand, gather, int32, reshape, scalar, type Tensor } from '../tensor/index.ts'
import type { CacheStorage } from './cache-storage.ts'
import { hiddenRequest } from './extension.ts'
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
  /** Layers whose hidden states can be asked for. */
  readonly taps: readonly number[]
}

/** Rows of the wanted and of the shown slots, in the order of lanes and pieces. */
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
  /** Whether the lanes of a call are computed as if all were as long as the longest. */
  readonly pads: boolean
  dispose(): Promise<void>
}

/** Inputs of every decoder program. */
export const slotInputs = {
  ids: int32('B', 'T'),
  position: int32('B', 'T'),
  /** Intervals of the forest of fed slots: an ancestor's holds its descendants'. */
  enter: int32('B', 'T'),
  exit: int32('B', 'T'),
  /** Which fed slots' logits are wanted, and whose hidden states, counted through `[batch, slot]`. */
  wanted: int32('N'),
  shown: int32('H'),
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

/** Names of the outputs with the hidden states of a layer, or those that the head reads. */
type HiddenName = 'hidden' | `tap.${number}`
type Readouts = { readonly logits: Tensor } & { readonly [Name in HiddenName]?: Tensor }

/** What is read of hidden states `[batch, slot, width]`: logits of the wanted slots, and the states of the shown ones. */
export function readouts(
  { backbone, head }: Decoder,
  { hidden, layers }: BackboneOutput,
  slots: { wanted: Tensor; shown: Tensor },
  taps: readonly number[],
): Readouts {
  const rows = (states: Tensor, which: Tensor) => gather(reshape(states, [-1, backbone.width]), which)
  const tapped = taps.map((layer) => [`tap.${layer}`, rows(layers[layer]!, slots.shown)] as const)
  return { logits: head.logits(rows(hidden, slots.wanted)), hidden: rows(hidden, slots.shown), ...Object.fromEntries(tapped) }
}

/** Names of the outputs that a call brings back. */
export function fetched(options: Pick<ExtendOptions, 'logits' | 'hidden'>): string[] {
  const request = hiddenRequest(options)
  return [...(options.logits === 'none' ? [] : ['logits']), ...(request === undefined ? [] : [hiddenName(request)])]
}

function hiddenName({ layer }: HiddenRequest): HiddenName {
  return layer === undefined ? 'hidden' : `tap.${layer}`
}

/** Host arrays of what a run brought back. */
export function callOutputs(
  result: Readonly<Record<string, { readonly data: unknown }>>,
  options: Pick<ExtendOptions, 'logits' | 'hidden'>,
): CallOutputs {
  const logits = (result.logits?.data ?? new Float32Array(0)) as Float32Array
  const request = hiddenRequest(options)
  return request === undefined ? { logits } : { logits, hidden: result[hiddenName(request)]!.data as Float32Array }
}
