import { OptionError } from '../base/errors.ts'
import { type Layout, type Plan, roles, sources } from '../base/model.ts'
import { causal } from '../base/visibility.ts'
import { layOut } from './lay-out.ts'
import type { Order } from './order.ts'

/**
 * Block after block of `size` values; the values of a block are predicted at once. The slot of value i is fed with value i - size (the
 * start token in the first block) and sees its own block and all before. The last block may be shorter.
 * Throws OptionError unless `size` is a positive integer.
 * @example
 * blocks(2).plan({ parts: [{ shape: [4] }] }).source // start, start, 0, 1
 */
export function blocks(size: number): Order {
  if (!Number.isSafeInteger(size) || size < 1) throw new OptionError(`size is ${size}`, { expected: 'a positive integer' })
  return { name: `blocks(${size})`, plan: (layout) => shifted(layout, size) }
}

/** Slot i predicts value i from value i - `shift`, in blocks of `shift`. Positions are those of the predicted value. */
export function shifted(layout: Layout, shift: number): Plan {
  const { count, position } = layOut(layout)
  const column = (valueAt: (slot: number) => number) => Int32Array.from({ length: count }, (_, slot) => valueAt(slot))
  return {
    length: count,
    role: new Uint8Array(count).fill(roles.clean),
    group: column((slot) => Math.floor(slot / shift) + 1),
    segment: new Int32Array(count),
    position,
    parent: new Int32Array(count).fill(-1),
    source: column((slot) => (slot < shift ? sources.start : slot - shift)),
    target: column((slot) => slot),
    weight: new Float32Array(count).fill(1),
    visibility: causal,
  }
}
