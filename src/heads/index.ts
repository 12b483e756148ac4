export {
  type AffineHead,
  type AffineHeadOptions,
  type AffineParameters,
  affineForward,
  affineHead,
  affineInverse,
  affineLogDeterminant,
  affineLogProb,
} from './affine.ts'
export {
  type CategoricalHead,
  type CategoricalHeadOptions,
  categoricalHead,
  categoricalLogProb,
  type TiedHeadOptions,
  tiedHead,
} from './categorical.ts'
export { type DiffusionHead, type DiffusionHeadOptions, type DiffusionLossInputs, diffusionHead } from './diffusion.ts'
export type { Field, FieldHead } from './field.ts'
export { type FlowHead, type FlowHeadOptions, type FlowLossInputs, flowHead } from './flow.ts'
export {
  drawnFrom,
  type ForecastHead,
  gaussianHead,
  negativeBinomialHead,
  type PointLoss,
  pointHead,
  quantileHead,
  studentHead,
} from './forecast-heads.ts'
export {
  type MixtureHead,
  type MixtureHeadOptions,
  type MixtureKind,
  type MixtureNoise,
  type MixtureParameters,
  mixtureHead,
} from './mixture.ts'
export { type MultiCategoricalHead, type MultiCategoricalHeadOptions, multiCategoricalHead } from './multi-categorical.ts'
