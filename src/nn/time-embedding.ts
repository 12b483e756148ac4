import { OptionError } from '../base/errors.ts'
import { concat, constant, cos, multiply, silu, sin, type Tensor, unsqueeze } from '../tensor/index.ts'
import { normal, zeros } from './initializers.ts'
import { Linear } from './linear.ts'
import { checkSizes } from './sizes.ts'

export interface TimeEmbeddingOptions {
  /** Sines and cosines together. Default 256. */
  readonly frequencies?: number
  /** Times are multiplied by this first: 1000 for times from 0 to 1, 1 for timesteps (the default). */
  readonly scale?: number
}

/** Where a diffusion or a flow stands, as a vector: waves of the time, wavelengths 2π to 2π·10⁴, then two linears. Nichol & Dhariwal 2021. */
export class TimeEmbedding {
  readonly up_proj: Linear
  readonly down_proj: Linear
  readonly #rates: Float32Array

  constructor(width: number, { frequencies = 256, scale = 1 }: TimeEmbeddingOptions = {}) {
    checkSizes({ width, frequencies })
    if (frequencies % 2 !== 0) throw new OptionError(`${frequencies} frequencies`, { expected: 'an even number' })
    const half = frequencies / 2
    this.#rates = Float32Array.from({ length: half }, (_, i) => scale * 10000 ** (-i / half))
    this.up_proj = new Linear(frequencies, width, { weight: normal(0.02), bias: zeros })
    this.down_proj = new Linear(width, width, { weight: normal(0.02), bias: zeros })
  }

  /** Float times `[…]` → `[…, width]`. */
  forward(time: Tensor): Tensor {
    const angles = multiply(unsqueeze(time, -1), constant(this.#rates, [this.#rates.length]))
    return this.down_proj.forward(silu(this.up_proj.forward(concat([cos(angles), sin(angles)], -1))))
  }
}
