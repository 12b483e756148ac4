import type { Rule } from '../base/visibility.ts'
import type { Tensor } from '../tensor/index.ts'
import { type AttentionCall, type Past, type Slots, visibilityBias } from './attention.ts'
import { growSlots } from './growing.ts'

/** Attention over slots and the past that they bring. */
export function attendSlots(slots: Slots): AttentionCall {
  const { past } = slots
  return past?.kind === 'growing' ? growSlots(slots, past) : attendPlainly(slots, past)
}

/** The slow, obvious path, which trains and is the oracle of caches. */
function attendPlainly(slots: Slots, past: Past | undefined): AttentionCall {
  const biases = new Map<Rule | undefined, Tensor>()
  return (attention, x, layer) => {
    const { narrow } = attention.traits
    const bias = biases.get(narrow) ?? visibilityBias(slots, narrow)
    biases.set(narrow, bias)
    return attention.forward(x, bias, slots.position, past?.layers[layer])
  }
}
