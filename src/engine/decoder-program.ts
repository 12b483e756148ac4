import { roles } from '../base/slots.ts'
import { tree } from '../base/visibility.ts'
import type { Transformer } from '../nn/transformer.ts'
import type { Device } from '../platform/device.ts'
import {
  assignRows,
  cast,
  compile,
  expand,
  gather,
  int32,
  less,
  range,
  reshape,
  scalar,
  type Tensor,
  unsqueeze,
} from '../tensor/index.ts'
import type { KeyValueCache } from './key-value-cache.ts'

/** What a stepper runs: a backbone and the head that reads it. */
export interface Decoder {
  readonly backbone: Transformer
  /** Hidden states `[…, width]` → unnormalised log-probabilities `[…, vocabulary]`. */
  readonly head: { logits(hidden: Tensor): Tensor }
}

const inputs = {
  ids: int32('B', 'T'),
  position: int32('B', 'T'),
  /** Intervals of the tree of fed slots: an ancestor's holds its descendants'. */
  enter: int32('B', 'T'),
  exit: int32('B', 'T'),
  /** Committed slots per row, and fed slots per row (others are padding). */
  start: int32('B'),
  count: int32('B'),
  /** Which fed slots' logits are wanted, counted through `[batch, slot]`. */
  wanted: int32('N'),
}

export type DecoderProgram = ReturnType<typeof compileDecoder>

/** A column no query compares as an ancestor: past slots are seen because they are committed. */
const nowhere = { enter: 2 ** 30, exit: -1, parent: -1 }

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

/**
 * One graph for any batch and any number of new slots: past keys and values are read, new ones come out as rows and are written
 * behind them afterwards.
 */
export function compileDecoder({ backbone, head }: Decoder, cache: KeyValueCache, device: Device, frozen: boolean) {
  return compile(
    inputs,
    ({ ids, position, enter, exit, start, count, wanted }) => {
      const places = unsqueeze(cast(range(cache.keys[0]!.shape[2]!), 'int32'), 0)
      const everywhere = (value: number) => expand(scalar(value, 'int32'), places.shape)
      const columns = freshColumns({ position, enter, exit })
      const past = {
        columns: {
          group: places,
          position0: places,
          enter: everywhere(nowhere.enter),
          exit: everywhere(nowhere.exit),
          parent: everywhere(nowhere.parent),
          role: everywhere(roles.clean),
          segment: everywhere(0),
        },
        valid: less(places, unsqueeze(start, 1)),
        layers: cache.keys.map((key, layer) => ({ key: key.tensor, value: cache.values[layer]!.tensor })),
      }
      const { hidden, added } = backbone.forward({
        embedded: backbone.embed(ids, position),
        position,
        columns,
        visibility: tree,
        past,
      })
      const read = gather(reshape(hidden, [-1, backbone.width]), wanted)
      const keys = added.map(({ key }, layer) => assignRows(cache.keys[layer]!, key, 2, start, count))
      const values = added.map(({ value }, layer) => assignRows(cache.values[layer]!, value, 2, start, count))
      return { logits: head.logits(read), hidden: read, keys, values }
    },
    { device, frozen, name: 'decoder' },
  )
}
