import type { Plan } from '../../../src/base/model.ts'
import {
  constantColumns,
  type KeyValues,
  type Past,
  rmsNorm,
  rotary,
  swiglu,
  type TracedColumns,
  Transformer,
  type TransformerOptions,
} from '../../../src/nn/index.ts'
import { blocks, packed, prefix, raster, stepsOf } from '../../../src/orders/index.ts'
import { concat, constant, slice, type Tensor } from '../../../src/tensor/index.ts'

export const slots = 7
const layout = { parts: [{ shape: [slots] }] }

/** Plans of seven slots by name. */
export const plans: Readonly<Record<string, Plan>> = {
  causal: raster().plan(layout),
  'block-causal': blocks(3).plan(layout),
  packed: packed([3, 1, 3]).plan(layout),
  prefix: prefix(3).plan(layout),
}

export const sizes = { vocabularySize: 13, context: 8, width: 8, layers: 2 }

/** A small Llama. */
export function tinyTransformer(options: Partial<TransformerOptions> = {}): Transformer {
  return new Transformer({
    ...sizes,
    attention: { heads: 4, keyValueHeads: 2 },
    mlp: swiglu(10),
    norm: rmsNorm(),
    positions: rotary({ base: 40 }),
    ...options,
  })
}

/** Random ids `[batch, slot]`. */
export function someIds(batch: number): number[] {
  return Array.from({ length: batch * slots }, (_, i) => (i * i * 7 + 3 * i + 1) % sizes.vocabularySize)
}

function cut(columns: TracedColumns, start: number, end: number): TracedColumns {
  return Object.fromEntries(Object.entries(columns).map(([name, column]) => [name, slice(column!, 1, start, end)]))
}

/**
 * Hidden states `[batch, slot, width]` of a plan, computed group by group: each step sees the keys and values that earlier steps
 * committed. The plans above feed and keep the same slots, in order.
 */
export function groupByGroup(backbone: Transformer, plan: Plan, ids: Tensor): Tensor {
  const columns = constantColumns(plan)
  const position = constant(Int32Array.from(plan.position[0]!), [1, plan.length], 'int32')
  let layers: readonly KeyValues[] = []
  const hidden = stepsOf(plan).map(({ feed: { start, end } }) => {
    const places = slice(position, 1, start, end)
    const past: Past = {
      kind: 'plain',
      columns: cut(columns, 0, start),
      valid: constant(new Uint8Array(start).fill(1), [1, start], 'bool'),
      layers,
    }
    const result = backbone.forward({
      embedded: backbone.embed(slice(ids, 1, start, end), places),
      position: places,
      columns: cut(columns, start, end),
      visibility: plan.visibility,
      ...(start > 0 && { past }),
    })
    layers = result.added.map(({ key, value }, layer) => {
      const before = layers[layer]
      return before === undefined ? { key, value } : { key: concat([before.key, key], 2), value: concat([before.value, value], 2) }
    })
    return result.hidden
  })
  return concat(hidden, 1)
}
