import type { Order } from './order.ts'
import { raster } from './raster.ts'

/**
 * One value after another from the last to the first: raster order read backwards. Flows alternate it with `raster()`, so that each
 * value is transformed knowing those on either side of it. Dinh et al. 2017; Zhai et al. 2025 (TARFlow).
 * @example
 * reverseRaster().plan({ parts: [{ shape: [3] }] }).source // start, 2, 1
 */
export function reverseRaster(): Order {
  return {
    name: 'reverseRaster',
    plan(layout) {
      const plan = raster().plan(layout)
      const mirrored = (values: Int32Array) => values.map((value) => (value < 0 ? value : plan.length - 1 - value))
      return {
        ...plan,
        position: plan.position.map((axis) => axis.toReversed()),
        source: mirrored(plan.source),
        target: mirrored(plan.target),
      }
    },
  }
}
