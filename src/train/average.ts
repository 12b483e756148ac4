import * as v from 'valibot'
import { GraphError } from '../base/errors.ts'
import { checkOptions } from '../base/options.ts'
import { type Assignment, add, assign, multiply, Variable } from '../tensor/index.ts'
import { decayRate } from './checks.ts'

/** A running mean of weights, bound to the parameters that it follows. */
export interface WeightAverage {
  /** The means, named `ema.<parameter>`. */
  readonly state: readonly Variable[]
  /** Starts from the parameters' present values. */
  reset(): Promise<void>
  /** The next means, given the assignments of an update. Called while tracing. */
  update(assignments: readonly Assignment[]): Assignment[]
  /** Exchanges the values of parameters and means; a second call exchanges them back. */
  swap(): Promise<void>
}

export type WeightAverageFactory = (parameters: readonly Variable[]) => WeightAverage

const schema = v.strictObject({ decay: decayRate })

/**
 * Exponential moving average of weights: mean ← decay·mean + (1 − decay)·weight after every update. Polyak & Juditsky 1992.
 * @throws OptionError
 * @example
 * const average = ema({ decay: 0.999 })
 */
export function ema(options: { readonly decay: number }): WeightAverageFactory {
  checkOptions(schema, options, 'ema')
  return (parameters) => {
    const pairs = parameters.map((parameter, i) => ({ parameter, mean: meanOf(parameter, i) }))
    return {
      state: pairs.map(({ mean }) => mean),
      async reset() {
        for (const { parameter, mean } of pairs) await mean.write(await parameter.read())
      },
      update: (assignments) => pairs.map(({ parameter, mean }) => follow(mean, parameter, assignments, options.decay)),
      async swap() {
        for (const { parameter, mean } of pairs) {
          const [weight, average] = [await parameter.read(), await mean.read()]
          await parameter.write(average)
          await mean.write(weight)
        }
      },
    }
  }
}

function meanOf(parameter: Variable, index: number): Variable {
  const name = `ema.${parameter.name === '' ? index : parameter.name}`
  return new Variable({ shape: parameter.concreteShape, dtype: parameter.dtype, name })
}

function follow(mean: Variable, parameter: Variable, assignments: readonly Assignment[], decay: number): Assignment {
  const next = assignments.find(({ variable }) => variable === parameter)?.value
  if (next === undefined) throw new GraphError(`parameter ${parameter.label} has an average but no update`)
  return assign(mean, add(multiply(mean, decay), multiply(next, 1 - decay)))
}
