import { GraphError } from '../base/errors.ts'
import type { Rule } from '../base/visibility.ts'
import { cachedAttention, type Tensor } from '../tensor/index.ts'
import { type AttentionCall, type AttentionTraits, type PastSlots, type Slots, visibilityBias } from './attention.ts'

/**
 * A past that the fed slots join in place, in the runtime's kernel. Its slots stand at the index of their position; a batch of several rows, which
 * may have pasts of different lengths, is fed one slot each.
 */
export interface GrowingPast extends PastSlots {
  readonly kind: 'growing'
  /** int32 `[batch]`: index of each row's last slot once the fed ones are in. */
  readonly last: Tensor
  /** int32 `[1]`: the largest of `last`, plus 1. */
  readonly total: Tensor
}

/** Whether the kernel has this attention: heads whose width 8 divides. */
export function canGrow({ headWidth }: AttentionTraits): boolean {
  return headWidth % 8 === 0
}

/** Attention of fed slots over a growing past; `added` are then the caches `[batch, kvHead, capacity, headWidth]` with these slots in them. */
export function growSlots(slots: Slots, past: GrowingPast): AttentionCall {
  const biases = new Map<Rule | undefined, Tensor>()
  return (attention, x, layer) => {
    const { heads, keyValueHeads, scale, softCap, narrow, sinks } = attention.traits
    if (!canGrow(attention.traits)) throw new GraphError('no kernel grows this cache', { expected: 'heads whose width 8 divides' })
    const bias = biases.get(narrow) ?? visibilityBias(slots, narrow)
    biases.set(narrow, bias)
    const { key: pastKey, value: pastValue } = past.layers[layer]!
    const grown = cachedAttention(
      {
        ...attention.projectRows(x, slots.position),
        pastKey,
        pastValue,
        last: past.last,
        total: past.total,
        bias,
        ...(sinks !== undefined && { sinks }),
      },
      { heads, keyValueHeads, scale, ...(softCap !== undefined && { softCap }) },
    )
    return { output: attention.o_proj.forward(grown.mixed), added: { key: grown.key, value: grown.value } }
  }
}
