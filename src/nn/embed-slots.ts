import { GraphError } from '../base/errors.ts'
import type { Channel } from '../base/model.ts'
import { sources } from '../base/slots.ts'
import { concat, constant, type Dimension, expand, gather, type Tensor } from '../tensor/index.ts'

/** What slots can be embedded from; each is needed only when some slot of the plan is fed with it. */
export interface SlotSources {
  /** One embedding per code value, `[batch, value, width]`. */
  readonly values?: Tensor
  /** `[batch or 1, 1, width]`. */
  readonly start?: Tensor
  readonly maskToken?: Tensor
  readonly query?: Tensor
  /** What earlier groups say at the place of each value, `[batch, value, width]`; a slot gets that of the value it predicts. */
  readonly carried?: Tensor
}

/**
 * Embeddings of a plan's slots as its `source` column says: `[batch, slot, width]`. Throws GraphError when a slot is fed with what is not given.
 */
export function embedSlots({ source, target }: Pick<Channel, 'source' | 'target'>, given: SlotSources, batch: Dimension): Tensor {
  const rows: Tensor[] = []
  const starts = new Map<string, number>()
  let count = 0
  for (const [name, tensor] of Object.entries(given) as [keyof SlotSources, Tensor][]) {
    starts.set(name, count)
    count += tensor.shape[1] as number
    rows.push(expand(tensor, [batch, ...tensor.shape.slice(1)]))
  }
  const startOf = (name: keyof SlotSources) => {
    const start = starts.get(name)
    if (start === undefined) throw new GraphError(`a slot is fed with ${name}, which is not given`)
    return start
  }
  const index = Int32Array.from(source, (from, slot) => {
    if (from >= 0) return startOf('values') + from
    if (from === sources.start) return startOf('start')
    if (from === sources.maskToken) return startOf('maskToken')
    if (from === sources.query) return startOf('query')
    return startOf('carried') + target[slot]!
  })
  return gather(rows.length === 1 ? rows[0]! : concat(rows, 1), constant(index, [index.length], 'int32'), 1)
}
