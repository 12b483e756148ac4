import { DataError } from '../base/errors.ts'
import { topologicalOrder } from '../tensor/graph.ts'
import {
  add,
  type CompileOptions,
  compile,
  type FeedValue,
  type Inputs,
  matmul,
  reshape,
  type Tensor,
  type Variable,
} from '../tensor/index.ts'

/** What a network is run on to see the inputs of its layers. */
export interface Calibration {
  readonly inputs: Inputs
  /** Anything that depends on every layer. */
  readonly forward: (inputs: Readonly<Record<string, Tensor>>) => Tensor
  readonly batches: readonly Readonly<Record<string, FeedValue>>[]
  readonly device: NonNullable<CompileOptions['device']>
}

/**
 * Σ x·xᵀ over all inputs x that each weight `[outputs, inputs]` is multiplied with, `[inputs, inputs]`; weights that multiply nothing, as
 * those of plain embeddings, have none. Throws DataError when there are no batches.
 */
export async function collectHessians(
  weights: readonly Variable[],
  calibration: Calibration,
): Promise<Map<Variable, Float64Array>> {
  const { inputs, forward, batches, device } = calibration
  if (batches.length === 0) throw new DataError('no calibration batches', { expected: 'at least one' })
  const totals = new Map<Variable, Float64Array>()
  const used: Variable[] = []
  const program = compile(
    inputs,
    (leaves: Readonly<Record<string, Tensor>>) => {
      const root = forward(leaves)
      const found = [...inputsOf(weights, root)]
      used.push(...found.map(([weight]) => weight))
      const sums = found.map(([, rows], i) => [hessianName(i), rows.map(gram).reduce((sum, each) => add(sum, each))] as const)
      // Not the root too: what no sum needs is not computed.
      const results: Record<string, Tensor> = used.length === 0 ? { root } : Object.fromEntries(sums)
      return results
    },
    { device },
  )
  try {
    for (const batch of used.length === 0 ? [] : batches) {
      const sums = await program.run(batch)
      for (const [i, weight] of used.entries()) accumulate(totals, weight, sums[hessianName(i)]!.data as Float32Array)
    }
  } finally {
    await program.dispose()
  }
  return totals
}

function hessianName(index: number): string {
  return `hessian${index}`
}

/** What each weight is multiplied with in x·Wᵀ. */
function inputsOf(weights: readonly Variable[], root: Tensor): Map<Variable, Tensor[]> {
  const byLeaf = new Map(weights.map((weight) => [weight.tensor, weight]))
  const found = new Map<Variable, Tensor[]>()
  for (const { op, inputs, attributes } of topologicalOrder([root])) {
    const weight = op.name === 'matmul' && attributes.transposeB === true ? byLeaf.get(inputs[1]!) : undefined
    if (weight !== undefined) found.set(weight, [...(found.get(weight) ?? []), inputs[0]!])
  }
  return found
}

function gram(x: Tensor): Tensor {
  const rows = reshape(x, [-1, x.shape.at(-1)!])
  return matmul(rows, rows, { transposeA: true })
}

/** In doubles, as there may be many batches. */
function accumulate(totals: Map<Variable, Float64Array>, weight: Variable, sums: Float32Array): void {
  const total = totals.get(weight)
  if (total === undefined) totals.set(weight, Float64Array.from(sums))
  else for (let i = 0; i < sums.length; i++) total[i]! += sums[i]!
}
