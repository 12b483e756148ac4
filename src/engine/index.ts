export { type OwnedStepper, openStepper, type StepperOptions } from './cached-stepper.ts'
export type { Decoder } from './decoder-program.ts'
export { openRecomputeStepper } from './recompute-stepper.ts'
