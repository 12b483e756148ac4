import { ShapeError } from '../base/errors.ts'
import { type Layout, type Plan, roles, sources } from '../base/model.ts'
import { causal } from '../base/visibility.ts'
import { layOut } from './lay-out.ts'
import type { Order } from './order.ts'

/**
 * Next scale: all values of a part at once, coarse parts first. The first part is fed with the start token; later ones with features
 * carried from the parts before, which a tokenizer's `carry` supplies. A slot sees its own part and all coarser ones. Any growing schedule
 * will do, and so will frequency bands, whose grids grow alike. Positions are `[scale, …axes of the part]`.
 * `plan` throws ShapeError unless each part is at least as large as the one before on every axis, and larger on one.
 * Source: VAR, arXiv:2404.02905; FlexVAR, arXiv:2502.20313.
 * @example
 * scales().plan({ parts: [{ shape: [1, 1] }, { shape: [1, 2] }] }).source // start, carried, carried
 */
export function scales(): Order {
  return { name: 'scales', plan: scalesPlan }
}

function scalesPlan(layout: Layout): Plan {
  const { count, position } = layOut(layout)
  checkGrowth(layout)
  const axes = layout.parts.length > 1 ? position : [new Int32Array(count), ...position]
  const scale = axes[0]!
  return {
    length: count,
    role: new Uint8Array(count).fill(roles.clean),
    group: scale.map((part) => part + 1),
    segment: new Int32Array(count),
    position: axes,
    parent: new Int32Array(count).fill(-1),
    source: scale.map((part) => (part === 0 ? sources.start : sources.carried)),
    target: scale.map((_, value) => value),
    weight: new Float32Array(count).fill(1),
    visibility: causal,
  }
}

function checkGrowth({ parts }: Layout): void {
  for (const [index, { shape }] of parts.entries()) {
    const before = parts[index - 1]?.shape
    if (before === undefined) continue
    const grows = shape.every((size, axis) => size >= before[axis]!) && shape.some((size, axis) => size > before[axis]!)
    if (grows) continue
    throw new ShapeError(`scale ${index} has shape [${shape}] after [${before}]`, {
      expected: 'scales that grow',
      fix: 'list coarse scales first, each once',
    })
  }
}
