import { add, constant, layerNorm, multiply, silu, split, type Tensor } from '../tensor/index.ts'
import type { Attended, Attention, AttentionCall } from './attention.ts'
import { zeros } from './initializers.ts'
import { Linear } from './linear.ts'
import type { Mlp } from './mlp.ts'

const epsilon = 1e-6

/** Layer norm whose scale and shift come from a condition: norm(x)·(1 + scale) + shift. Starts as a plain norm. Peebles & Xie 2023. */
export class AdaptiveNorm {
  readonly modulation: Linear

  constructor(width: number, condition: number) {
    this.modulation = new Linear(condition, 2 * width, { weight: zeros, bias: zeros })
  }

  /** `[batch, slot, width]`; condition `[batch, 1 or slot, condition]`. */
  forward(x: Tensor, condition: Tensor): Tensor {
    const [scale, shift] = split(this.modulation.forward(silu(condition)), -1, 2)
    return modulated(x, scale!, shift!)
  }
}

export interface AdaptiveBlockParts {
  readonly attention: Attention
  readonly mlp: Mlp
  readonly width: number
  /** Width of condition vectors. */
  readonly condition: number
}

/**
 * One layer whose norms and gates come from a condition: x + gate·attention(norm(x)), then x + gate·mlp(norm(x)). Gates start at 0, so that the
 * layer starts as the identity. Peebles & Xie 2023 (adaLN-Zero).
 */
export class AdaptiveBlock {
  readonly self_attn: Attention
  readonly mlp: Mlp
  readonly modulation: Linear

  constructor({ attention, mlp, width, condition }: AdaptiveBlockParts) {
    this.self_attn = attention
    this.mlp = mlp
    this.modulation = new Linear(condition, 6 * width, { weight: zeros, bias: zeros })
  }

  /** `[batch, slot, width]`; condition `[batch, 1 or slot, condition]`; `attention` computes the attention of layer `layer`. */
  forward(x: Tensor, condition: Tensor, attention: AttentionCall, layer: number): Attended {
    const [scale1, shift1, gate1, scale2, shift2, gate2] = split(this.modulation.forward(silu(condition)), -1, 6) as [
      Tensor,
      Tensor,
      Tensor,
      Tensor,
      Tensor,
      Tensor,
    ]
    const { output, added } = attention(this.self_attn, modulated(x, scale1, shift1), layer)
    const attended = add(x, multiply(gate1, output))
    return { output: add(attended, multiply(gate2, this.mlp.forward(modulated(attended, scale2, shift2)))), added }
  }
}

function modulated(x: Tensor, scale: Tensor, shift: Tensor): Tensor {
  const width = x.shape.at(-1) as number
  const normed = layerNorm(x, constant(new Float32Array(width).fill(1), [width], x.dtype), undefined, epsilon)
  return add(multiply(normed, add(scale, 1)), shift)
}
