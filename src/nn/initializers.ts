import { elementCount } from '../base/dtype.ts'
import { OptionError } from '../base/errors.ts'
import type { Initializer } from '../tensor/index.ts'
import { checkSizes } from './sizes.ts'

/** All 0. */
export const zeros: Initializer = (shape) => new Float32Array(elementCount(shape))

/** All 1. */
export const ones: Initializer = (shape) => new Float32Array(elementCount(shape)).fill(1)

/** Normal with mean 0. Throws OptionError unless `deviation` is finite and ≥ 0. */
export function normal(deviation: number): Initializer {
  checkSpread('deviation', deviation)
  return (shape, rng) => rng.fillNormal(new Float32Array(elementCount(shape))).map((x) => x * deviation)
}

/** Uniform in [−limit, limit). Throws OptionError unless `limit` is finite and ≥ 0. */
export function uniform(limit: number): Initializer {
  checkSpread('limit', limit)
  return (shape, rng) => rng.fillUniform(new Float32Array(elementCount(shape))).map((x) => (2 * x - 1) * limit)
}

/** e^u, u uniform between log least and log most. Throws OptionError unless 0 < least < most < ∞. */
export function logUniform(least: number, most: number): Initializer {
  if (!(least > 0 && most > least && most < Number.POSITIVE_INFINITY))
    throw new OptionError(`log-uniform between ${least} and ${most}`, { expected: 'finite numbers, 0 < least < most' })
  return (shape, rng) => rng.fillUniform(new Float32Array(elementCount(shape))).map((u) => least * (most / least) ** u)
}

/** Uniform with variance 2 / (inputs + outputs); for weights `[outputs, inputs]`. Glorot & Bengio 2010. */
export const glorotUniform: Initializer = (shape, rng) => {
  const [outputs = 1, inputs = 1] = shape
  return uniform(Math.sqrt(6 / (inputs + outputs)))(shape, rng)
}

/** Normal with variance 2 / inputs; for weights `[outputs, inputs]`. He et al. 2015. */
export const heNormal: Initializer = (shape, rng) => normal(Math.sqrt(2 / elementCount(shape.slice(1))))(shape, rng)

/**
 * Weight and bias of a linear map of `inputs` numbers, both uniform in ±1/√inputs: what torch's layers start from. Throws OptionError
 * unless `inputs` is an integer ≥ 1.
 */
export function fanInUniform(inputs: number): { readonly weight: Initializer; readonly bias: Initializer } {
  checkSizes({ inputs })
  const initializer = uniform(1 / Math.sqrt(inputs))
  return { weight: initializer, bias: initializer }
}

function checkSpread(name: string, value: number): void {
  if (!(value >= 0 && value < Number.POSITIVE_INFINITY))
    throw new OptionError(`${name} is ${value}`, { expected: 'a finite number ≥ 0' })
}
