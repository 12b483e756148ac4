import type { Unit } from '../../base/codes.ts'
import { ones } from '../../nn/index.ts'
import {
  add,
  assign,
  divide,
  exp,
  maximum,
  mean,
  minimum,
  multiply,
  reciprocal,
  split,
  sqrt,
  square,
  stopGradient,
  subtract,
  type Tensor,
  type Variable,
  variable,
} from '../../tensor/index.ts'
import type { Bottleneck, BottleneckLoss } from './bottleneck.ts'
import type { NoiseSpec } from './image-tokenizer.ts'

/** How much of the running statistics stays at every step, once there were some. */
const decay = 0.99

/**
 * A normal distribution per place, whose mean is the value: a variational autoencoder (Kingma & Welling 2013). Values have mean 0 and
 * deviation 1 in every channel; what they were is kept with the weights, as running statistics of the training batches.
 */
export class GaussianBottleneck implements Bottleneck {
  /** `[channel]`: the mean of latents. */
  readonly shift: Variable
  /** `[channel]`: their deviation. */
  readonly scale: Variable
  /** Training steps so far, `[]`. */
  readonly steps: Variable
  readonly unit: Unit
  readonly inputs: number
  readonly width: number
  readonly #kl: number

  constructor(channels: number, kl: number) {
    this.shift = variable({ shape: [channels] })
    this.scale = variable({ shape: [channels], initializer: ones })
    this.steps = variable({ shape: [] })
    this.unit = { kind: 'vectors', dimension: channels }
    this.inputs = 2 * channels
    this.width = channels
    this.#kl = kl
  }

  noise(places: number): Readonly<Record<string, NoiseSpec>> {
    return { latents: { kind: 'normal', shape: [places, this.width] } }
  }

  encode(latents: Tensor): Tensor {
    return divide(subtract(this.#parameters(latents).centre, this.shift), this.scale)
  }

  embed(values: Tensor): Tensor {
    return values
  }

  restore(values: Tensor): Tensor {
    return add(multiply(values, this.scale), this.shift)
  }

  average(): Tensor {
    return this.shift.tensor
  }

  train(latents: Tensor, { latents: noise }: Readonly<Record<string, Tensor>>): BottleneckLoss {
    const { centre, logVariance } = this.#parameters(latents)
    const variance = exp(logVariance)
    // KL(N(centre, variance) ‖ N(0, 1)), in nats per number.
    const divergence = multiply(mean(subtract(add(square(centre), variance), add(logVariance, 1))), 0.5)
    return {
      restored: add(centre, multiply(sqrt(variance), noise!)),
      penalties: { kl: multiply(divergence, this.#kl) },
      updates: this.#measure(stopGradient(centre)),
    }
  }

  #parameters(latents: Tensor): { readonly centre: Tensor; readonly logVariance: Tensor } {
    const [centre, logVariance] = split(latents, -1, 2) as [Tensor, Tensor]
    return { centre, logVariance: minimum(maximum(logVariance, -20), 10) }
  }

  /** Plain means at first, then moving ones. */
  #measure(latents: Tensor) {
    const rate = maximum(1 - decay, reciprocal(add(this.steps, 1)))
    const towards = (old: Tensor, now: Tensor) => add(old, multiply(rate, subtract(now, old)))
    const batchMean = mean(latents, [0, 1])
    const shift = towards(this.shift.tensor, batchMean)
    const variance = towards(square(this.scale), mean(square(subtract(latents, shift)), [0, 1]))
    return [assign(this.shift, shift), assign(this.scale, sqrt(maximum(variance, 1e-8))), assign(this.steps, add(this.steps, 1))]
  }
}
