import * as v from 'valibot'
import { callable, checkOptions, nonNegative } from '../base/options.ts'
import { assign, cast, multiply, sign, subtract } from '../tensor/index.ts'
import { decayed, runningMean } from './adamw.ts'
import { decayRate } from './checks.ts'
import { isMatrix, type OptimizerFactory, type Selection, stateLike, zip } from './optimizer.ts'

export interface LionOptions {
  /** Share of the momentum in the update's direction, and decay of the momentum. Default [0.9, 0.99]. */
  readonly betas?: readonly [number, number]
  /** Share of a weight that is taken off per step, times the learning rate. Default 0.1. */
  readonly weightDecay?: number
  /** Which parameters decay. Default: `isMatrix`. */
  readonly decays?: Selection
}

const schema = v.strictObject({
  betas: v.optional(v.strictTuple([decayRate, decayRate])),
  weightDecay: v.optional(nonNegative),
  decays: v.optional(callable),
})

/**
 * Steps by the sign of a momentum: half of AdamW's state, and learning rates 3 to 10 times smaller. Chen et al. 2023, algorithm 2.
 * @throws OptionError
 * @example
 * const optimizer = lion({ weightDecay: 0.3 })
 */
export function lion(options: LionOptions = {}): OptimizerFactory {
  checkOptions(schema, options, 'lion')
  const { betas = [0.9, 0.99], weightDecay = 0.1, decays = isMatrix } = options
  const [beta1, beta2] = betas
  return (parameters) => {
    const momenta = parameters.map((parameter, i) => stateLike(parameter, i, 'm'))
    return {
      state: momenta,
      update: (gradients, learningRate) =>
        zip(parameters, gradients).flatMap(([parameter, gradient], i) => {
          const m = momenta[i]!
          const change = multiply(sign(runningMean(m, gradient, beta1)), cast(learningRate, m.dtype))
          const decay = decays(parameter) ? weightDecay : 0
          return [
            assign(m, runningMean(m, gradient, beta2)),
            assign(parameter, subtract(decayed(parameter, learningRate, decay), change)),
          ]
        }),
    }
  }
}
