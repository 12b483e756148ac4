import * as v from 'valibot'
import { OptionError } from '../base/errors.ts'
import { callable, checkOptions, nonNegative, wholeNumber } from '../base/options.ts'
import {
  type Assignment,
  add,
  assign,
  cast,
  divide,
  matmul,
  multiply,
  sqrt,
  square,
  subtract,
  sum,
  type Tensor,
  transpose,
  type Variable,
} from '../tensor/index.ts'
import { type AdamwOptions, adamw, decayed, runningMean } from './adamw.ts'
import { decayRate } from './checks.ts'
import { isMatrix, type OptimizerFactory, type Selection, stateLike, zip } from './optimizer.ts'

export interface MuonOptions {
  /** Decay of the momentum. Default 0.95. */
  readonly momentum?: number
  /** Newton–Schulz steps. Default 5. */
  readonly iterations?: number
  /** Share of a weight that is taken off per step, times the learning rate. Default 0.1. */
  readonly weightDecay?: number
  /** Which matrices are updated this way. Default: rank 2, neither a table nor an output head, judged by name. */
  readonly selects?: Selection
  /** For all other parameters. */
  readonly rest?: AdamwOptions
}

const schema = v.strictObject({
  momentum: v.optional(decayRate),
  iterations: v.optional(wholeNumber(1)),
  weightDecay: v.optional(nonNegative),
  selects: v.optional(callable),
  rest: v.optional(v.looseObject({})),
})

const isHidden: Selection = (parameter) =>
  parameter.shape.length === 2 && isMatrix(parameter) && !/(^|\.)(lm_)?head(\.|$)/.test(parameter.name)

/**
 * Momentum whose matrices are made nearly orthogonal before they are applied (Jordan et al. 2024), scaled by 0.2·√(longer side) so that
 * weights move as far as under AdamW and both share a learning rate (Liu et al. 2025); AdamW for what is no hidden matrix.
 * @throws OptionError
 * @example
 * const optimizer = muon({ rest: { weightDecay: 0 } })
 */
export function muon(options: MuonOptions = {}): OptimizerFactory {
  checkOptions(schema, options, 'muon')
  const { selects = isHidden, rest = {} } = options
  const restFactory = adamw(rest)
  return (parameters) => {
    const chosen = parameters.map(selects)
    const take = <T>(items: readonly T[], which: boolean) => items.filter((_, i) => chosen[i] === which)
    const [matrices, others] = [bindMatrices(take(parameters, true), options), restFactory(take(parameters, false))]
    return {
      state: [...matrices.state, ...others.state],
      update(gradients, learningRate) {
        zip(parameters, gradients)
        return [...matrices.update(take(gradients, true), learningRate), ...others.update(take(gradients, false), learningRate)]
      },
    }
  }
}

function bindMatrices(matrices: readonly Variable[], options: MuonOptions): ReturnType<OptimizerFactory> {
  const { momentum = 0.95, iterations = 5, weightDecay = 0.1 } = options
  const unfit = matrices.find(({ shape }) => shape.length !== 2)
  if (unfit !== undefined) throw new OptionError(`muon: selects chose ${unfit.label}, which is no matrix`, { expected: 'rank 2' })
  const momenta = matrices.map((matrix, i) => stateLike(matrix, i, 'momentum'))
  return {
    state: momenta,
    update: (gradients, learningRate) =>
      zip(matrices, gradients).flatMap(([matrix, gradient], i): Assignment[] => {
        const mean = runningMean(momenta[i]!, gradient, momentum)
        // Nesterov: a look ahead along the new momentum.
        const direction = add(multiply(mean, momentum), multiply(gradient, 1 - momentum))
        const length = 0.2 * Math.sqrt(Math.max(...matrix.concreteShape))
        const step = cast(multiply(learningRate, length), matrix.dtype)
        const change = multiply(orthogonalize(direction, iterations), step)
        return [assign(momenta[i]!, mean), assign(matrix, subtract(decayed(matrix, learningRate, weightDecay), change))]
      }),
  }
}

/**
 * About U·Vᵀ of the singular value decomposition U·S·Vᵀ: singular values in about [0.7, 1.2] after 5 steps. The quintic's coefficients
 * are those of Jordan et al. 2024, which grow small singular values fastest.
 */
export function orthogonalize(matrix: Tensor, iterations = 5): Tensor {
  const [rows, columns] = matrix.shape as [number, number]
  const tall = rows > columns
  const wide = tall ? transpose(matrix, [1, 0]) : matrix
  let x = divide(wide, add(sqrt(sum(square(wide))), 1e-7))
  for (let i = 0; i < iterations; i++) {
    const a = matmul(x, x, { transposeB: true })
    const b = add(multiply(a, -4.775), multiply(matmul(a, a), 2.0315))
    x = add(multiply(x, 3.4445), matmul(b, x))
  }
  return tall ? transpose(x, [1, 0]) : x
}
