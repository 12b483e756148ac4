import { OptionError } from '../base/errors.ts'
import { cosineAlphas } from '../base/noise-schedule.ts'
import { refuseUnknown } from '../base/options.ts'
import { checkSizes } from '../nn/sizes.ts'
import { cast, constant, gather, negate, type Tensor } from '../tensor/index.ts'
import { blend, checkNoise, checkValues, type FieldHead, vectorError } from './field.ts'
import { FieldMlp } from './field-mlp.ts'

export interface DiffusionHeadOptions {
  /** Width of the MLP. */
  readonly hidden: number
  readonly layers: number
  /** Timesteps that it is trained on. Default 1000. */
  readonly timesteps?: number
  /**
   * What the network says of noisy values: ε (MAR, the default), or v = √ᾱ·ε − √(1 − ᾱ)·x, from which ε follows (Salimans & Ho 2022). At the
   * noisiest timestep an error in ε is one 20 000 times as large in x, so that what is sampled with 'eps' by a small network needs the
   * `clip` of `solve`.
   */
  readonly predicts?: 'eps' | 'v'
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
  readonly #predicts: 'eps' | 'v'

  constructor(width: number, dimension: number, { hidden, layers, timesteps, predicts }: Required<DiffusionHeadOptions>) {
    this.network = new FieldMlp({ width, dimension, hidden, layers, timeScale: 1 })
    this.#dimension = dimension
    this.#timesteps = timesteps
    this.#predicts = predicts
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
    const said = this.network.forward(values, time, hidden)
    if (this.#predicts === 'eps') return said
    const { signal, share } = this.#levels(cast(time, 'int32'))
    return blend(said, values, signal, share)
  }

  /**
   * Mean over dimensions (and draws) of the squared error of what the network predicts, for each value: hidden states `[…, width]`, values
   * `[…, dimension]` → `[…]`. Values should have a variance near 1. Throws ShapeError when shapes do not fit.
   */
  loss(hidden: Tensor, values: Tensor, { noise, timestep }: DiffusionLossInputs): Tensor {
    checkValues(values, hidden, this.#dimension)
    checkNoise(noise, values)
    const { signal, share } = this.#levels(timestep)
    const noisy = blend(values, noise, signal, share)
    const target = this.#predicts === 'eps' ? noise : blend(noise, values, signal, negate(share))
    return vectorError(this.network.forward(noisy, cast(timestep, noisy.dtype), hidden), target, values)
  }

  /** √ᾱ and √(1 − ᾱ) of int timesteps. */
  #levels(timestep: Tensor): { readonly signal: Tensor; readonly share: Tensor } {
    const { alphas } = this
    const table = (of: (alpha: number) => number) => gather(constant(Float32Array.from(alphas, of), [alphas.length]), timestep)
    return { signal: table(Math.sqrt), share: table((alpha) => Math.sqrt(1 - alpha)) }
  }
}

/**
 * A diffusion head for each slot alone: an MLP on the cosine schedule. Li et al. 2024 (MAR), with a fixed variance. Throws OptionError on
 * sizes below 1 and on unknown options.
 */
export function diffusionHead(width: number, dimension: number, options: DiffusionHeadOptions): DiffusionHead {
  refuseUnknown(options, ['hidden', 'layers', 'timesteps', 'predicts'], 'diffusionHead')
  const { hidden, layers, timesteps = 1000, predicts = 'eps' } = options
  checkSizes({ width, dimension, hidden, layers, timesteps })
  if (predicts !== 'eps' && predicts !== 'v') throw new OptionError(`predicts is ${String(predicts)}`, { expected: "'eps' or 'v'" })
  return new DiffusionHead(width, dimension, { hidden, layers, timesteps, predicts })
}
