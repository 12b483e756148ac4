import type { Rng } from '../../base/rng.ts'
import type { MaskCurve, TruncatedNormal } from '../../orders/index.ts'
import { add, cast, greater, slice, sum, type Tensor } from '../../tensor/index.ts'

/** A run of values that are all settled before those of the next run are begun. */
export interface PhaseSteps {
  readonly values: number
  /** Steps where a request asks for none; fewer when there are fewer values. */
  readonly steps: number
}

/** A run of values as training masks it. */
export interface PhaseRate {
  readonly values: number
  readonly rate: MaskCurve | TruncatedNormal
}

export interface Phase extends PhaseSteps, PhaseRate {
  /** Of its mean error in the loss. */
  readonly weight: number
}

/** For each value, the phase that settles it. */
export function phasesOfValues(phases: readonly { readonly values: number }[]): number[] {
  return phases.flatMap(({ values }, phase) => Array<number>(values).fill(phase))
}

/** The phase of each sample, the first that has unknown values: float `known` `[batch, value]` → int `[batch]`. For two phases or more. */
export function phaseOf(known: Tensor, phases: readonly { readonly values: number }[]): Tensor {
  const owners = phasesOfValues(phases)
  const done = phases.slice(1).map((_, before) => {
    const end = owners.lastIndexOf(before) + 1
    return cast(greater(sum(slice(known, 1, 0, end), -1), end - 0.5), 'int32')
  })
  return done.reduce((count, one) => add(count, one))
}

/** The stream of a phase. The first has the generator itself, so that methods of one phase draw as if there were none. */
export function phaseRng(rng: Rng, phase: number): Rng {
  return phase === 0 ? rng : rng.fold(phase)
}
