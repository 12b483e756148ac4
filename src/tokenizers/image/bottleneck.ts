import type { Unit } from '../../base/codes.ts'
import { type Assignment, add, stopGradient, subtract, type Tensor } from '../../tensor/index.ts'
import type { NoiseSpec } from './image-tokenizer.ts'

/** What lies between an encoder and a decoder of pictures: latent vectors ⇄ values, place by place. */
export interface Bottleneck {
  readonly unit: Unit
  /** Channels of the encoder's latents. */
  readonly inputs: number
  /** Channels that the decoder reads, and width of `embed`. */
  readonly width: number
  /** Noise that `train` takes, for `places` values. */
  noise(places: number): Readonly<Record<string, NoiseSpec>>
  /** Latents `[batch, value, inputs]` → values. */
  encode(latents: Tensor): Tensor
  /** Values → what networks are told of them, `[batch, value, width]`. */
  embed(values: Tensor): Tensor
  /** Values → what the decoder reads, `[batch, value, width]`. */
  restore(values: Tensor): Tensor
  /** What the decoder reads where nothing is known; broadcasts to `[batch, value, width]`. */
  average(): Tensor
  train(latents: Tensor, noise: Readonly<Record<string, Tensor>>): BottleneckLoss
}

export interface BottleneckLoss {
  /** What the decoder reads, differentiable: `[batch, value, width]`. */
  readonly restored: Tensor
  /** To be added to the reconstruction's loss. */
  readonly penalties: Readonly<Record<string, Tensor>>
  /** Only to be looked at. */
  readonly reports?: Readonly<Record<string, Tensor>>
  readonly updates?: readonly Assignment[]
}

/** `values` for what follows, whose gradient goes to `source` as it is (Bengio et al. 2013). */
export function straightThrough(source: Tensor, values: Tensor): Tensor {
  return add(source, stopGradient(subtract(values, source)))
}
