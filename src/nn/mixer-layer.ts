import { add, type Tensor } from '../tensor/index.ts'
import type { Mlp } from './mlp.ts'
import { layerNorm, type Norm } from './norm.ts'

/** What exchanges information between slots: `[batch, slot, width]` → the same shape. */
export interface SlotMixer {
  forward(x: Tensor): Tensor
}

export interface MixerLayerParts {
  readonly mixer: SlotMixer
  readonly mlp: Mlp
  /** Whether sums are normed, as in Vaswani et al. 2017, or what is added to them. Default: sums. */
  readonly prenorm?: boolean
}

/** One layer around any mixer of slots: norm(x + mixer(x)), then norm(x + mlp(x)). */
export class MixerLayer {
  readonly mixer: SlotMixer
  readonly mixer_norm: Norm
  readonly mlp: Mlp
  readonly mlp_norm: Norm
  readonly #prenorm: boolean

  constructor(width: number, { mixer, mlp, prenorm = false }: MixerLayerParts) {
    this.mixer = mixer
    this.mixer_norm = layerNorm()(width)
    this.mlp = mlp
    this.mlp_norm = layerNorm()(width)
    this.#prenorm = prenorm
  }

  /** `[batch, slot, width]` → the same shape. */
  forward(x: Tensor): Tensor {
    if (this.#prenorm) {
      const mixed = add(x, this.mixer.forward(this.mixer_norm.forward(x)))
      return add(mixed, this.mlp.forward(this.mlp_norm.forward(mixed)))
    }
    const mixed = this.mixer_norm.forward(add(x, this.mixer.forward(x)))
    return this.mlp_norm.forward(add(mixed, this.mlp.forward(mixed)))
  }
}
