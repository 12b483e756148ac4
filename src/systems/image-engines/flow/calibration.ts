import { parameterCount } from '../../../nn/index.ts'
import type { FlowBlock } from './flow-block.ts'
import type { CalibrationData } from './flow-request.ts'
import type { FlowStack } from './flow-stack.ts'
import type { Inverse, Start } from './inverse-plan.ts'
import type { Inverted } from './invert.ts'
import type { BlockMetrics, Measured } from './measure.ts'

/** A way to invert a block, and the iterations that each sample took: over all segments. */
export interface Trial {
  readonly inverse: Inverse
  readonly iterations: readonly number[]
}

/** What `auto` chooses by: the ways that were tried on data, per block. */
export interface Calibration {
  readonly metrics: readonly BlockMetrics[]
  readonly trials: readonly (readonly Trial[])[]
}

/** Most samples that are inverted to count iterations. */
const mostTried = 8

/** Tries the candidates of every block on what the flow makes of data. */
export async function calibrate(
  { metrics, outcomes }: Measured,
  { labels }: CalibrationData,
  options: {
    readonly stack: FlowStack
    readonly tolerance: number
    readonly invert: (block: number, inverse: Inverse, outcome: Float32Array, labels: Int32Array) => Promise<Inverted>
  },
): Promise<Calibration> {
  const { stack, tolerance, invert } = options
  const tried = labels.slice(0, mostTried)
  const size = tried.length * stack.slots * stack.dimension
  const trials: Trial[][] = []
  for (const [block, inverses] of candidates(metrics, { slots: stack.slots, tolerance }).entries()) {
    const own: Trial[] = [{ inverse: { kind: 'sequential' }, iterations: Array.from(tried, () => stack.slots) }]
    for (const inverse of inverses)
      own.push({ inverse, iterations: (await invert(block, inverse, outcomes[block]!.slice(0, size), tried)).each })
    trials.push(own)
  }
  return { metrics, trials }
}

/**
 * What is worth trying besides one slot after another: all slots at once from the guess that came closer; and for the block that ranks as the
 * toughest segments, about as many as each has slots.
 */
export function candidates(
  metrics: readonly BlockMetrics[],
  { slots, tolerance }: { readonly slots: number; readonly tolerance: number },
): readonly (readonly Inverse[])[] {
  const ranking = metrics.map(({ convergenceRanking }) => convergenceRanking)
  const toughest = ranking.indexOf(Math.max(...ranking))
  const segments = nearestDivisor(slots)
  return metrics.map(({ initialGuess: { z, zeros } }, block) => {
    const start: Start = z <= zeros && Number.isFinite(z) ? 'z' : 'zeros'
    const jacobi: Inverse = { kind: 'jacobi', tolerance, start }
    const segmented: Inverse = { kind: 'gauss-seidel-jacobi', segments, tolerance, start }
    return block === toughest && segments > 1 && segments < slots ? [jacobi, segmented] : [jacobi]
  })
}

/**
 * What a call costs besides its arithmetic, in multiply–adds: about a third of a millisecond of a core that does 10¹¹ a second. Without it, one
 * slot after another would always be cheapest.
 */
const callCost = 16e6

/** The cheapest of the ways that were tried, for so many rows at once. */
export function cheapest(trials: readonly Trial[], block: FlowBlock, rows: number): Inverse {
  const costs = trials.map((trial) => costOf(trial, { slots: block.slots, slotCost: parameterCount(block), rows }))
  return trials[costs.indexOf(Math.min(...costs))]!.inverse
}

interface Sizes {
  readonly slots: number
  /** Multiply–adds per slot. */
  readonly slotCost: number
  readonly rows: number
}

/** Rows that are done cost no more arithmetic when all slots run at once; segments wait for the last row. */
export function costOf({ inverse, iterations }: Trial, { slots, slotCost, rows }: Sizes): number {
  if (inverse.kind === 'sequential') return slots * (callCost + rows * slotCost)
  const average = iterations.reduce((sum, count) => sum + count, 0) / iterations.length
  const calls = rows === 1 ? average : Math.max(...iterations)
  if (inverse.kind === 'jacobi') return calls * callCost + average * rows * slots * slotCost
  return calls * (callCost + (rows * slots * slotCost) / inverse.segments)
}

/** The divisor of `slots` that is nearest to its square root, the larger of two. */
function nearestDivisor(slots: number): number {
  const divisors = Array.from({ length: slots }, (_, i) => i + 1).filter((count) => slots % count === 0)
  const distance = (count: number) => Math.abs(Math.log(count) - Math.log(slots) / 2)
  return divisors.reduce((best, count) => (distance(count) <= distance(best) + 1e-9 ? count : best))
}
