import { GraphError, OptionError } from '../../../base/errors.ts'
import { affineInverse } from '../../../heads/index.ts'
import { QuantizedMatrix } from '../../../nn/index.ts'
import type { Device } from '../../../platform/index.ts'
import {
  add,
  compile,
  exp,
  float32,
  int32,
  mean,
  multiply,
  negate,
  slice,
  sqrt,
  square,
  subtract,
  sum,
  type Tensor,
} from '../../../tensor/index.ts'
import type { FlowBlock } from './flow-block.ts'
import type { FlowStack } from './flow-stack.ts'
import type { Inverse, Start } from './inverse-plan.ts'

/** How a block behaves under Jacobi iterations, as far as one pass over data tells. Liu et al. 2025 (GS-Jacobi), section 4. */
export interface BlockMetrics {
  /** Initial guess metric: how far one iteration from each guess stays from the true x, as a norm, mean over samples; ∞ where it overflows. */
  readonly initialGuess: Readonly<Record<Start, number>>
  /** Convergence ranking metric: ‖mean over samples of x/σ‖·‖Wσ‖ + ‖Wμ‖. High: tough. */
  readonly convergenceRanking: number
}

/** Measures all blocks on values `[sample, value, dimension]` with a label each. */
export async function measureBlocks(
  stack: FlowStack,
  { device, values, labels }: { readonly device: Device; readonly values: Float32Array; readonly labels: Int32Array },
): Promise<BlockMetrics[]> {
  const { slots, dimension } = stack
  if (labels.length === 0 || values.length !== labels.length * slots * dimension)
    throw new OptionError(`${values.length} numbers to calibrate on, with ${labels.length} labels`, {
      expected: `${slots} values of ${dimension} numbers for each label, and one label at least`,
    })
  const program = compile(
    { values: float32('B', slots, dimension), labels: int32('B') },
    (given) => {
      const { states } = stack.states(given.values, given.labels)
      const rows = stack.blocks.map((block, index) => traceMetrics(block, [states[index]!, states[index + 1]!], given.labels))
      return Object.fromEntries(rows.flatMap((row, index) => Object.entries(row).map(([name, at]) => [`${index} ${name}`, at])))
    },
    { device, name: 'flow-metrics' },
  )
  try {
    const outputs = (await program.run({ values, labels })) as Readonly<Record<string, { readonly data: ArrayLike<number> }>>
    const read = (index: number, name: keyof ReturnType<typeof traceMetrics>) => finiteMean(outputs[`${index} ${name}`]!.data)
    return stack.blocks.map((_, index) => ({
      initialGuess: { z: read(index, 'z'), zeros: read(index, 'zeros') },
      convergenceRanking: read(index, 'ranking'),
    }))
  } finally {
    await program.dispose()
  }
}

/** Residuals of one iteration `[batch]`, and the ranking `[1]`, of a block between these values as the layout counts them. */
function traceMetrics(block: FlowBlock, [before, after]: readonly [Tensor, Tensor], labels: Tensor) {
  const [x, z] = [block.inBlockOrder(before), block.inBlockOrder(after)]
  const residual = (guess: Tensor) => norm(subtract(affineInverse(z, block.affine(guess, labels)), x), [1, 2])
  const { logScale } = block.affine(x, labels)
  const weights = headWeights(block)
  const spread = norm(mean(multiply(x, exp(negate(logScale))), 0, { keep: true }), [1, 2])
  const ranking = add(multiply(spread, norm(weights.scale, [0, 1])), norm(weights.mean, [0, 1]))
  return { z: residual(z), zeros: residual(multiply(z, 0)), ranking }
}

/** Rows of the head's weights that give means, and those that give scales: each `[dimension, width]`. */
function headWeights({ head, dimension }: FlowBlock): { readonly mean: Tensor; readonly scale: Tensor } {
  const { weight } = head.output
  if (weight instanceof QuantizedMatrix) throw new GraphError("the head of a flow's block is quantised", { expected: 'floats' })
  return { mean: slice(weight, 0, 0, dimension), scale: slice(weight, 0, dimension) }
}

function norm(x: Tensor, axes: readonly number[]): Tensor {
  return sqrt(sum(square(x), axes))
}

function finiteMean(numbers: ArrayLike<number>): number {
  const total = Array.from(numbers).reduce((sum, x) => sum + x, 0)
  return Number.isFinite(total) ? total / numbers.length : Number.POSITIVE_INFINITY
}

export interface PlanOptions {
  readonly slots: number
  readonly tolerance: number
}

/**
 * The block that ranks as the toughest gets Gauss–Seidel segments, about as many as each has slots; the others are solved at once. Each
 * begins with the guess that came closer.
 */
export function planInverse(metrics: readonly BlockMetrics[], { slots, tolerance }: PlanOptions): readonly Inverse[] {
  const ranking = metrics.map(({ convergenceRanking }) => convergenceRanking)
  const toughest = ranking.indexOf(Math.max(...ranking))
  return metrics.map(({ initialGuess: { z, zeros } }, block) => {
    const start: Start = z <= zeros && Number.isFinite(z) ? 'z' : 'zeros'
    const segments = nearestDivisor(slots)
    if (block !== toughest || segments === 1) return { kind: 'jacobi', tolerance, start }
    return { kind: 'gauss-seidel-jacobi', segments, tolerance, start }
  })
}

/** The divisor of `slots` that is nearest to its square root, the larger of two. */
function nearestDivisor(slots: number): number {
  const divisors = Array.from({ length: slots }, (_, i) => i + 1).filter((count) => slots % count === 0)
  const distance = (count: number) => Math.abs(Math.log(count) - Math.log(slots) / 2)
  return divisors.reduce((best, count) => (distance(count) <= distance(best) + 1e-9 ? count : best))
}
