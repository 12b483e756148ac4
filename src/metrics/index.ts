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
