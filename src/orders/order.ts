import type { Layout, Plan } from '../base/model.ts'

/** In which steps the values of a sample are predicted. A value, not a class: `raster()`, `blocks(4)`, … */
export interface Order {
  readonly name: string
  /**
   * All slots of a sample, with who sees whom. Training and scoring read the plan whole; `stepsOf(plan)` reads it step by step.
   * Throws ShapeError on a layout that the order cannot lay out.
   */
  plan(layout: Layout): Plan
}
