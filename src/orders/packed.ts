import { OptionError, ShapeError } from '../base/errors.ts'
import { type Layout, type Plan, sources } from '../base/model.ts'
import { packed as packedRule } from '../base/visibility.ts'
import { shifted } from './blocks.ts'
import type { Order } from './order.ts'

/**
 * Several samples in one row, each in raster order with its own start token; segments are 1, 2, …, positions restart with every sample
 * and nothing crosses between them. The layout is one part with one axis as long as all samples together.
 * Throws OptionError unless all lengths are positive integers; `plan` throws ShapeError when the layout does not fit them.
 * @example
 * packed([2, 3]).plan({ parts: [{ shape: [5] }] }).source // start, 0, start, 2, 3
 */
export function packed(lengths: readonly number[]): Order {
  const bad = lengths.find((length) => !Number.isSafeInteger(length) || length < 1)
  if (lengths.length === 0 || bad !== undefined) {
    throw new OptionError(`lengths are [${lengths.slice(0, 8)}]`, { expected: 'at least one, all positive integers' })
  }
  return { name: `packed(${lengths.slice(0, 8)}${lengths.length > 8 ? ', …' : ''})`, plan: (layout) => packedPlan(layout, lengths) }
}

function packedPlan(layout: Layout, lengths: readonly number[]): Plan {
  const total = lengths.reduce((sum, length) => sum + length, 0)
  const [part, ...others] = layout.parts
  if (part?.shape.length !== 1 || part.shape[0] !== total || others.length > 0) {
    const shapes = layout.parts.map(({ shape }) => `[${shape}]`).join(', ')
    throw new ShapeError(`a layout of parts ${shapes}`, { expected: `one part of shape [${total}], the samples' total length` })
  }
  const plan = shifted(layout, 1)
  const position = new Int32Array(total)
  let start = 0
  for (const [sample, length] of lengths.entries()) {
    plan.source[start] = sources.start
    plan.segment.fill(sample + 1, start, start + length)
    for (let i = 0; i < length; i++) position[start + i] = i
    start += length
  }
  return { ...plan, position: [position], visibility: packedRule }
}
