import type { Rng } from '../../base/rng.ts'
import { chooseKnown, maskedCount, maskRate } from '../../orders/index.ts'
import { type PhaseRate, phaseRng } from './phases.ts'

export interface MaskFeed {
  readonly samples: number
  /** Runs of a sample's values, each masked at a rate of its own. */
  readonly phases: readonly PhaseRate[]
}

/** What training masks: a share and a choice for each sample and phase, at least one value. `[sample, value]`, 1 where a value is known. */
export function drawKnown({ samples, phases }: MaskFeed, rng: Rng): Float32Array {
  const size = phases.reduce((sum, { values }) => sum + values, 0)
  const known = new Float32Array(samples * size)
  for (let sample = 0; sample < samples; sample++) {
    let start = sample * size
    for (const [phase, { values, rate }] of phases.entries()) {
      const own = phaseRng(rng.fold('mask').fold(sample), phase)
      known.set(chooseKnown(own, { values, masked: maskedCount(maskRate(rate, own), values) }), start)
      start += values
    }
  }
  return known
}
