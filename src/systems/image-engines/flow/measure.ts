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
import type { Start } from './inverse-plan.ts'

/** How a block behaves under Jacobi iterations, as far as one pass over data tells. Liu et al. 2025 (GS-Jacobi), section 4. */
export interface BlockMetrics {
  /** Initial guess metric: how far one iteration from each guess stays from the true x, as a norm, mean over samples; ∞ where it overflows. */
  readonly initialGuess: Readonly<Record<Start, number>>
  /** Convergence ranking metric: ‖mean over samples of x/σ‖·‖Wσ‖ + ‖Wμ‖. High: tough. */
  readonly convergenceRanking: number
}

export interface Measured {
  readonly metrics: readonly BlockMetrics[]
  /** What each block makes of the data, `[sample, value, dimension]`: the numbers that its inverse would be given. */
  readonly outcomes: readonly Float32Array[]
}

/** Measures all blocks on values `[sample, value, dimension]` with a label each. Throws OptionError on numbers that do not fit. */
export async function measureBlocks(
  stack: FlowStack,
  { device, values, labels }: { readonly device: Device; readonly values: Float32Array; readonly labels: Int32Array },
): Promise<Measured> {
  const { slots, dimension } = stack
  if (labels.length === 0 || values.length !== labels.length * slots * dimension)
    throw new OptionError(`${values.length} numbers to calibrate on, with ${labels.length} labels`, {
      expected: `${slots} values of ${dimension} numbers for each label, and one label at least`,
    })
  const program = compile(
    { values: float32('B', slots, dimension), labels: int32('B') },
    (given) => {
      const { states } = stack.states(given.values, given.labels)
      const rows = stack.blocks.map((block, index) => {
        const [before, after] = [states[index]!, states[index + 1]!]
        return { ...traceMetrics(block, [before, after], given.labels), after }
      })
      return Object.fromEntries(rows.flatMap((row, index) => Object.entries(row).map(([name, at]) => [`${index} ${name}`, at])))
    },
    { device, name: 'flow-metrics' },
  )
  try {
    const outputs = (await program.run({ values, labels })) as Readonly<Record<string, { readonly data: unknown }>>
    const read = (index: number, name: string) => outputs[`${index} ${name}`]!.data as Float32Array
    const metrics = stack.blocks.map((_, index) => ({
      initialGuess: { z: finiteMean(read(index, 'z')), zeros: finiteMean(read(index, 'zeros')) },
      convergenceRanking: finiteMean(read(index, 'ranking')),
    }))
    return { metrics, outcomes: stack.blocks.map((_, index) => read(index, 'after')) }
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
