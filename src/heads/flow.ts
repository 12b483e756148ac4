import { OptionError } from '../base/errors.ts'
import { refuseUnknown } from '../base/options.ts'
import { checkSizes } from '../nn/sizes.ts'
import { subtract, type Tensor } from '../tensor/index.ts'
import { blend, checkNoise, checkValues, type FieldHead, vectorError } from './field.ts'
import { FieldMlp, type FieldNetwork } from './field-mlp.ts'
import { FieldTransformer } from './field-transformer.ts'

export interface FlowHeadOptions {
  /** 'slot': an MLP for each slot alone. 'group': a transformer over the slots of a group, which are sampled together. */
  readonly scope: 'slot' | 'group'
  /** Width of the network. */
  readonly hidden: number
  readonly layers: number
  /** Attention heads, 'group' alone. Default 4. */
  readonly heads?: number
}

export interface FlowLossInputs {
  /** Standard normal, `[…, dimension]`, or `[draw, …, dimension]` for several draws of each value. */
  readonly noise: Tensor
  /** Float in [0, 1], 1 for noise: `[…]` or `[draw, …]`, one for each vector of noise (sizes of 1 broadcast). */
  readonly time: Tensor
  /** Sizes of the groups that stand side by side on the slot axis. Default: one. */
  readonly groups?: readonly number[]
}

/** A vector as the end of a path from noise: x_t = (1 − t)·x + t·ε. `field` says the velocity ε − x, which `solve` follows from 1 to 0. */
export class FlowHead implements FieldHead {
  readonly network: FieldNetwork
  readonly #dimension: number

  constructor(network: FieldNetwork, dimension: number) {
    this.network = network
    this.#dimension = dimension
  }

  get dimension(): number {
    return this.#dimension
  }

  /** The velocity dx/dt of values at time `time` in [0, 1] (1: noise), see `Field`. */
  field(values: Tensor, time: Tensor, hidden: Tensor, groups?: readonly number[]): Tensor {
    checkValues(values, hidden, this.#dimension)
    return this.network.forward(values, time, hidden, groups)
  }

  /**
   * Mean over dimensions (and draws) of the squared error of the velocity, for each value: hidden states `[…, width]`, values
   * `[…, dimension]` → `[…]`. Throws ShapeError when shapes do not fit.
   */
  loss(hidden: Tensor, values: Tensor, { noise, time, groups }: FlowLossInputs): Tensor {
    checkValues(values, hidden, this.#dimension)
    checkNoise(noise, values)
    const noisy = blend(values, noise, subtract(1, time), time)
    return vectorError(this.network.forward(noisy, time, hidden, groups), subtract(noise, values), values)
  }
}

/**
 * A flow-matching head. Lipman et al. 2022; Ren et al. 2024 (FlowAR). Throws OptionError on sizes below 1, heads that do not divide, and
 * unknown options or scopes.
 */
export function flowHead(width: number, dimension: number, options: FlowHeadOptions): FlowHead {
  refuseUnknown(options, ['scope', 'hidden', 'layers', 'heads'], 'flowHead')
  const { scope, hidden, layers, heads } = options
  checkSizes({ width, dimension, hidden, layers })
  const sizes = { width, dimension, hidden, layers, timeScale: 1000 }
  if (scope === 'group') return new FlowHead(new FieldTransformer(sizes, heads ?? 4), dimension)
  if (scope !== 'slot') throw new OptionError(`scope is ${String(scope)}`, { expected: "'slot' or 'group'" })
  if (heads !== undefined) throw new OptionError("heads for scope 'slot'", { expected: "heads only for 'group'" })
  return new FlowHead(new FieldMlp(sizes), dimension)
}
