export { type AdamwOptions, adamw } from './adamw.ts'
export { ema, type WeightAverage, type WeightAverageFactory } from './average.ts'
export {
  type Checkpoint,
  type LatestCheckpoint,
  latestCheckpoint,
  type Progress,
  readCheckpoint,
  restoreCheckpoint,
} from './checkpoint.ts'
export { clipByGlobalNorm, globalNorm } from './clip.ts'
export { fit } from './fit.ts'
export type { FitEvent, FitReport, StopReason, ValidationContext } from './fit-events.ts'
export type { EarlyStopping, FitOptions } from './fit-options.ts'
export { type LionOptions, lion } from './lion.ts'
export { type LoraOptions, type LowRankAdapters, loadAdapters, lora } from './lora.ts'
export { type CompanionFiles, checkCompanions, loadModule, saveModule } from './model-files.ts'
export { type MuonOptions, muon } from './muon.ts'
export { isMatrix, type Optimizer, type OptimizerFactory, type Selection } from './optimizer.ts'
export { type CosineOptions, constant, cosine, type Schedule, type WsdOptions, wsd } from './schedules.ts'
export type { TracedLoss, TrainingTask } from './task.ts'
