export { blocks } from './blocks.ts'
export { type CellOptions, type CellUnit, cells } from './cells.ts'
export { checkPlan } from './check-plan.ts'
export { channelsOf } from './known-groups.ts'
export {
  checkMaskCounts,
  chooseKnown,
  type KnownChoice,
  type MaskCurve,
  maskedCount,
  maskRate,
  maskSchedule,
  mostlyMasked,
  type TruncatedNormal,
} from './mask-schedule.ts'
export { type MaskedOptions, masked, oneShot } from './masked.ts'
export { neighbours } from './neighbours.ts'
export type { Order } from './order.ts'
export { packed } from './packed.ts'
export { permuted, twoStreams } from './permuted.ts'
export { groupsOf, type Predictions, predictionsOf, type SlotGroup } from './plan-parts.ts'
export { prefix } from './prefix.ts'
export { raster } from './raster.ts'
export { reverseRaster } from './reverse-raster.ts'
export { scales } from './scales.ts'
export { stepsOf } from './steps.ts'
