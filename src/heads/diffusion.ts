import { cosineAlphas } from '../base/noise-schedule.ts'
import { refuseUnknown } from '../base/options.ts'
import { checkSizes } from '../nn/sizes.ts'
import { cast, constant, gather, type Tensor } from '../tensor/index.ts'
import { blend, checkNoise, checkValues, type FieldHead, vectorError } from './field.ts'
import { FieldMlp } from './field-mlp.ts'

export interface DiffusionHeadOptions {
  /** Width of the MLP. */
  readonly hidden: number
  readonly layers: number
  /** Timesteps that it is trained on. Default 1000. */
  readonly timesteps?: number
}

export interface DiffusionLossInputs {
  /** Standard normal, `[…, dimension]`, or `[draw, …, dimension]` for several draws of each value. */
  readonly noise: Tensor
  /** int in [0, timesteps), `[…]` or `[draw, …]`, one for each vector of noise (sizes of 1 broadcast). */
  readonly timestep: Tensor
}

/** A vector as what is left when its noise is taken away step by step. `field` is given timesteps as floats and says ε. */
export class DiffusionHead implements FieldHead {
  readonly network: FieldMlp
  readonly #dimension: number
  readonly #timesteps: number

  constructor(width: number, dimension: number, { hidden, layers, timesteps }: Required<DiffusionHeadOptions>) {
    this.network = new FieldMlp({ width, dimension, hidden, layers, timeScale: 1 })
    this.#dimension = dimension
    this.#timesteps = timesteps
  }

  get dimension(): number {
    return this.#dimension
  }

  /** ᾱ of the timesteps it is trained on: `solve` takes `respace(head.alphas, steps)`. */
  get alphas(): Float64Array {
    return cosineAlphas(this.#timesteps)
  }

  /** The noise in values at timestep `time` (0: nearly clean), see `Field`. */
  field(values: Tensor, time: Tensor, hidden: Tensor): Tensor {
    checkValues(values, hidden, this.#dimension)
    return this.network.forward(values, time, hidden)
  }

  /**
   * Mean over dimensions (and draws) of (ε̂ − ε)², for each value: hidden states `[…, width]`, values `[…, dimension]` → `[…]`. Values should
   * have a variance near 1. Throws ShapeError when shapes do not fit.
   */
  loss(hidden: Tensor, values: Tensor, { noise, timestep }: DiffusionLossInputs): Tensor {
    checkValues(values, hidden, this.#dimension)
    checkNoise(noise, values)
    const share = (of: (alpha: number) => number) =>
      gather(
        constant(
          Float32Array.from(this.alphas, (alpha) => Math.sqrt(of(alpha))),
          [this.#timesteps],
        ),
        timestep,
      )
    const noisy = blend(
      values,
      noise,
      share((alpha) => alpha),
      share((alpha) => 1 - alpha),
    )
    return vectorError(this.network.forward(noisy, cast(timestep, noisy.dtype), hidden), noise, values)
  }
}

/**
 * A diffusion head for each slot alone: ε-prediction on the cosine schedule by an MLP. Li et al. 2024 (MAR), with a fixed variance. Throws
 * OptionError on sizes below 1 and on unknown options.
 */
export function diffusionHead(width: number, dimension: number, options: DiffusionHeadOptions): DiffusionHead {
  refuseUnknown(options, ['hidden', 'layers', 'timesteps'], 'diffusionHead')
  const { hidden, layers, timesteps = 1000 } = options
  checkSizes({ width, dimension, hidden, layers, timesteps })
  return new DiffusionHead(width, dimension, { hidden, layers, timesteps })
}
