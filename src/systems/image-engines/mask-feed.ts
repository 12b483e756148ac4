import type { Rng } from '../../base/rng.ts'
import { chooseKnown, type MaskCurve, maskedCount, maskRate, type TruncatedNormal } from '../../orders/index.ts'

export interface MaskFeed {
  readonly samples: number
  /** Values of a sample. */
  readonly values: number
  readonly rate: MaskCurve | TruncatedNormal
}

/** What training masks: a share and a choice for each sample, at least one value. `[sample, value]`, 1 where a value is known. */
export function drawKnown({ samples, values, rate }: MaskFeed, rng: Rng): Float32Array {
  const known = new Float32Array(samples * values)
  for (let sample = 0; sample < samples; sample++) {
    const own = rng.fold('mask').fold(sample)
    const masked = maskedCount(maskRate(rate, own), values)
    known.set(chooseKnown(own, { values, masked }), sample * values)
  }
  return known
}
