export { negativeLogLikelihood, type Predictor, teacherForced } from './likelihood.ts'
