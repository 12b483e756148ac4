export { cosineAlphas, respace, type SpacedSchedule } from '../base/noise-schedule.ts'
export { type DisaOptions, disa } from './anneal.ts'
export { type ChatSession, type ChatSessionOptions, type ChatTurn, openChatSession } from './chat-session.ts'
export { choiceTemperatureAt, leastConfident, type MaskChoice } from './confidence.ts'
export type { Constraint, ConstraintState } from './constraint.ts'
export type { FinishReason, GeneratedToken, GenerateOptions, TokenLogProb } from './continuation.ts'
export { generate } from './generate.ts'
export { type GeneratedText, type GenerateTextOptions, generateText, type TextStopOptions, textPieces } from './generate-text.ts'
export {
  type Affine,
  combine,
  type GuidanceInterval,
  type GuidanceRamp,
  guidanceAt,
  guidanceScale,
  guidanceWithin,
  type StepSchedule,
} from './guidance.ts'
export { applyRules, type DecodeContext, type LogitsRule, logProbReader, logSoftmax } from './logits.ts'
export { allow, forbid, frequencyPenalty, logitBias, noRepeatNgram, presencePenalty, repetitionPenalty } from './penalties.ts'
export { type LogitsOptions, logitsRules } from './pipeline.ts'
export { greedyToken, sampleToken } from './sample.ts'
export { type Score, type ScoreOptions, score } from './score.ts'
export { largestIds } from './selection.ts'
export { evenTimes, type FieldCall, type Solution, type SolveMethod, type SolveOptions, type SolveState, solve } from './solve.ts'
export type { ExtendOptions, Extension, Outputs, Stepper, StepperState } from './stepper.ts'
export { createStops, type StopCutter } from './stops.ts'
export type { TokenSource } from './token-source.ts'
export { minP, temperature, topK, topP, typicalP } from './truncation.ts'
