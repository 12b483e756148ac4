export {
  type FinishReason,
  type GeneratedToken,
  type GenerateOptions,
  generate,
  type TokenLogProb,
} from './generate.ts'
export { type GeneratedText, type GenerateTextOptions, generateText } from './generate-text.ts'
export { applyRules, type DecodeContext, type LogitsRule, logSoftmax } from './logits.ts'
export { allow, forbid, frequencyPenalty, logitBias, noRepeatNgram, presencePenalty, repetitionPenalty } from './penalties.ts'
export { type LogitsOptions, logitsRules } from './pipeline.ts'
export { greedyToken, sampleToken } from './sample.ts'
export { type Score, type ScoreOptions, score } from './score.ts'
export { largestIds } from './selection.ts'
export type { ExtendOptions, Extension, Outputs, Stepper, StepperState } from './stepper.ts'
export { createStops, type StopCutter } from './stops.ts'
export { minP, temperature, topK, topP, typicalP } from './truncation.ts'
