import type { Progress } from './checkpoint.ts'

/** The progress after a validation. A gain counts when the loss fell by more than `minimumGain` since the last one that counted. */
export function validated(progress: Progress, loss: number, minimumGain = 0): Progress {
  const { step, best, waiting } = progress
  const gained = waiting === null || loss < waiting.loss - minimumGain
  return {
    ...progress,
    best: best === null || loss < best.loss ? { step, loss } : best,
    waiting: gained ? { validations: 0, loss } : { validations: waiting.validations + 1, loss: waiting.loss },
  }
}
