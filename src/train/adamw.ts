import * as v from 'valibot'
import { callable, checkOptions, nonNegative, positive } from '../base/options.ts'
import {
  type Assignment,
  add,
  assign,
  cast,
  divide,
  multiply,
  sqrt,
  square,
  subtract,
  type Tensor,
  Variable,
} from '../tensor/index.ts'
import { decayRate } from './checks.ts'
import { isMatrix, type OptimizerFactory, type Selection, stateLike, zip } from './optimizer.ts'

export interface AdamwOptions {
  /** Decay of the running means of gradients and of their squares. Default [0.9, 0.999]. */
  readonly betas?: readonly [number, number]
  /** Added to the root of the second moment. Default 1e-8. */
  readonly epsilon?: number
  /** Share of a weight that is taken off per step, times the learning rate. Default 0.01. */
  readonly weightDecay?: number
  /** Which parameters decay. Default: `isMatrix`. */
  readonly decays?: Selection
}

const schema = v.strictObject({
  betas: v.optional(v.strictTuple([decayRate, decayRate])),
  epsilon: v.optional(positive),
  weightDecay: v.optional(nonNegative),
  decays: v.optional(callable),
})

/**
 * Adam with decoupled weight decay. Loshchilov & Hutter 2019, algorithm 2.
 * @throws OptionError
 * @example
 * const optimizer = adamw({ betas: [0.9, 0.95], weightDecay: 0.1 })
 */
export function adamw(options: AdamwOptions = {}): OptimizerFactory {
  checkOptions(schema, options, 'adamw')
  const { betas = [0.9, 0.999], epsilon = 1e-8, weightDecay = 0.01, decays = isMatrix } = options
  const [beta1, beta2] = betas
  return (parameters) => {
    const moments = parameters.map((parameter, i) => ({
      m: stateLike(parameter, i, 'm'),
      v: stateLike(parameter, i, 'v'),
      decay: decays(parameter) ? weightDecay : 0,
    }))
    // 1 − βᵗ, as the same running mean of ones: in float32 the power would lose digits that the moments keep.
    const mass1 = new Variable({ shape: [], name: 'optimizer.mass1' })
    const mass2 = new Variable({ shape: [], name: 'optimizer.mass2' })
    return {
      state: [mass1, mass2, ...moments.flatMap(({ m, v }) => [m, v])],
      update(gradients, learningRate) {
        const [next1, next2] = [runningMean(mass1, 1, beta1), runningMean(mass2, 1, beta2)]
        const root = sqrt(next2)
        // lr·(m/mass1) / (√(v/mass2) + ε) = step·m / (√v + ε·√mass2): fewer passes over the weights.
        const [step, floor] = [divide(multiply(learningRate, root), next1), multiply(root, epsilon)]
        const updates = zip(parameters, gradients).flatMap(([parameter, gradient], i): Assignment[] => {
          const { m, v, decay } = moments[i]!
          const nextM = runningMean(m, gradient, beta1)
          const nextV = runningMean(v, square(gradient), beta2)
          const change = divide(multiply(nextM, cast(step, m.dtype)), add(sqrt(nextV), cast(floor, m.dtype)))
          return [assign(m, nextM), assign(v, nextV), assign(parameter, subtract(decayed(parameter, learningRate, decay), change))]
        })
        return [assign(mass1, next1), assign(mass2, next2), ...updates]
      },
    }
  }
}

/** β·mean + (1 − β)·x. */
export function runningMean(mean: Variable, x: Tensor | number, beta: number): Tensor {
  return add(multiply(mean, beta), typeof x === 'number' ? x * (1 - beta) : multiply(x, 1 - beta))
}

/** w·(1 − learningRate·decay). */
export function decayed(parameter: Variable, learningRate: Tensor, decay: number): Tensor {
  if (decay === 0) return parameter.tensor
  return multiply(parameter, cast(subtract(1, multiply(learningRate, decay)), parameter.dtype))
}
