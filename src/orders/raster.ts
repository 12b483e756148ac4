import { shifted } from './blocks.ts'
import type { Order } from './order.ts'

/**
 * One value after another, row by row: the slot of value i is fed with value i - 1 (the start token first) and sees all slots up to
 * itself.
 * @example
 * raster().plan({ parts: [{ shape: [3] }] }).source // start, 0, 1
 */
export function raster(): Order {
  return { name: 'raster', plan: (layout) => shifted(layout, 1) }
}
