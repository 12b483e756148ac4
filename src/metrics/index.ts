export { type LikelihoodMetrics, likelihoodMetrics } from './likelihood.ts'
