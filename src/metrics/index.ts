export { type BitsOptions, bitsPerDimension, pictureStep } from './bits.ts'
export { PictureClassifier, type PictureClassifierOptions } from './classifier.ts'
export {
  accuracy,
  type Classified,
  type ClassifierTaskOptions,
  type ClassifyOptions,
  classifierTask,
  classify,
} from './classify.ts'
export { peakSignalToNoise, type SignalToNoise, type StructuralSimilarity, structuralSimilarity } from './fidelity.ts'
export {
  binomialInterval,
  coverage,
  type Interval,
  type PointMetrics,
  pinballLoss,
  pointMetrics,
  quantileScore,
  scaledIntervalScore,
  seasonalScale,
  weightedQuantileLoss,
} from './forecast.ts'
export {
  type Features,
  type FrechetReport,
  frechetBetween,
  frechetDistance,
  frechetReport,
  type Gaussian,
  gaussianOf,
} from './frechet.ts'
export { type LikelihoodMetrics, likelihoodMetrics } from './likelihood.ts'
