import { sameShape } from './dimension.ts'
import { ancestorsOf, consumersOf } from './graph.ts'
import type { Tensor } from './tensor.ts'

/**
 * May the value assigned to a variable be written over the variable's own buffer? Yes when nothing can read the old value after the
 * writing node started: every reader is the writing node itself, which must be elementwise, or one of its ancestors. Readers through
 * re-arrangements count too, as the runtime may fuse those into their users and read the buffer late.
 */
export function isSafeInPlace(leaf: Tensor, value: Tensor, order: readonly Tensor[], roots: ReadonlySet<Tensor>): boolean {
  if (
    value === leaf ||
    value.op.elementwise !== true ||
    value.inputs.some((input) => input === leaf && !sameShape(input.shape, value.shape))
  )
    return false
  const consumers = consumersOf(order)
  const before = ancestorsOf(value)
  const pending = [leaf]
  const seen = new Set<Tensor>()
  while (pending.length > 0) {
    const alias = pending.pop()!
    if (roots.has(alias)) return false
    for (const reader of consumers.get(alias) ?? []) {
      const direct = reader === value && alias === leaf
      if (!direct && (reader === value || !before.has(reader))) return false
      if (reader.op.movement === true && !seen.has(reader)) pending.push(reader)
      seen.add(reader)
    }
  }
  return true
}
