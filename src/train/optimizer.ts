import { DTypeError, GraphError } from '../base/errors.ts'
import type { Tensor } from '../tensor/index.ts'
import { type Assignment, Variable } from '../tensor/index.ts'

/** An update rule bound to the parameters that it trains. */
export interface Optimizer {
  /** Moments and counters, named `optimizer.<parameter>.<what>`: what a checkpoint keeps. */
  readonly state: readonly Variable[]
  /**
   * The next values of parameters and state. Called while tracing.
   * @param gradients in the order of the parameters
   * @param learningRate a float32 scalar
   */
  update(gradients: readonly Tensor[], learningRate: Tensor): Assignment[]
}

/** Binds an update rule to parameters. */
export type OptimizerFactory = (parameters: readonly Variable[]) => Optimizer

/** Chooses parameters, by name and shape. */
export type Selection = (parameter: Variable) => boolean

const tables = /(^|[._])(embed|embeddings?|embed_tokens|positions?|wte|wpe)([._]|$)/

/** Matrices (rank ≥ 2) that are not tables of embeddings or positions, judged by their names. */
export function isMatrix({ shape, name }: Variable): boolean {
  return shape.length >= 2 && !tables.test(name)
}

/** Zeros of a parameter's shape, as optimizer state. */
export function stateLike(parameter: Variable, index: number, what: string): Variable {
  const { dtype } = parameter
  if (dtype !== 'float32' && dtype !== 'float64') {
    throw new DTypeError(`parameter ${parameter.label} is ${dtype}`, { expected: 'float32 or float64 for training' })
  }
  const name = `optimizer.${parameter.name === '' ? index : parameter.name}.${what}`
  return new Variable({ shape: parameter.concreteShape, dtype, name })
}

/** The items that belong to each parameter, checked to be one each. */
export function zip<T>(parameters: readonly Variable[], items: readonly T[]): (readonly [Variable, T])[] {
  if (parameters.length !== items.length) {
    throw new GraphError(`${items.length} gradients for ${parameters.length} parameters`, {
      expected: 'one each, in the same order',
    })
  }
  return parameters.map((parameter, i) => [parameter, items[i]!] as const)
}
