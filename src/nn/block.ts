import { add, type Tensor } from '../tensor/index.ts'
import type { Attended, Attention, AttentionCall } from './attention.ts'
import type { Mlp } from './mlp.ts'
import type { Norm } from './norm.ts'

/** One layer of a transformer. Field names are the keys of public checkpoints. */
export interface Block {
  readonly self_attn: Attention
  readonly mlp: Mlp
  /** `[batch, slot, width]` → the same shape; `attention` computes the attention of layer `layer`. */
  forward(x: Tensor, attention: AttentionCall, layer: number): Attended
}

export interface BlockParts {
  readonly attention: Attention
  readonly mlp: Mlp
  /** A new norm of the model's width. */
  readonly norm: () => Norm
}

/** How attention and MLP join the residual stream: which norms a layer has, and where. */
export type Residual = (parts: BlockParts) => Block

class PrenormBlock implements Block {
  readonly input_layernorm: Norm
  readonly self_attn: Attention
  readonly post_attention_layernorm: Norm
  readonly mlp: Mlp

  constructor({ attention, mlp, norm }: BlockParts) {
    this.input_layernorm = norm()
    this.self_attn = attention
    this.post_attention_layernorm = norm()
    this.mlp = mlp
  }

  forward(x: Tensor, attention: AttentionCall, layer: number): Attended {
    const { output, added } = attention(this.self_attn, this.input_layernorm.forward(x), layer)
    const attended = add(x, output)
    return { output: add(attended, this.mlp.forward(this.post_attention_layernorm.forward(attended))), added }
  }
}

class ParallelBlock implements Block {
  readonly input_layernorm: Norm
  readonly self_attn: Attention
  readonly mlp: Mlp

  constructor({ attention, mlp, norm }: BlockParts) {
    this.input_layernorm = norm()
    this.self_attn = attention
    this.mlp = mlp
  }

  forward(x: Tensor, attention: AttentionCall, layer: number): Attended {
    const normed = this.input_layernorm.forward(x)
    const { output, added } = attention(this.self_attn, normed, layer)
    return { output: add(add(x, output), this.mlp.forward(normed)), added }
  }
}

class SandwichBlock implements Block {
  readonly input_layernorm: Norm
  readonly self_attn: Attention
  readonly post_attention_layernorm: Norm
  readonly pre_feedforward_layernorm: Norm
  readonly mlp: Mlp
  readonly post_feedforward_layernorm: Norm

  constructor({ attention, mlp, norm }: BlockParts) {
    this.input_layernorm = norm()
    this.self_attn = attention
    this.post_attention_layernorm = norm()
    this.pre_feedforward_layernorm = norm()
    this.mlp = mlp
    this.post_feedforward_layernorm = norm()
  }

  forward(x: Tensor, attention: AttentionCall, layer: number): Attended {
    const { output, added } = attention(this.self_attn, this.input_layernorm.forward(x), layer)
    const attended = add(x, this.post_attention_layernorm.forward(output))
    const changed = this.mlp.forward(this.pre_feedforward_layernorm.forward(attended))
    return { output: add(attended, this.post_feedforward_layernorm.forward(changed)), added }
  }
}

class PostnormBlock implements Block {
  readonly self_attn: Attention
  readonly post_attention_layernorm: Norm
  readonly mlp: Mlp
  readonly post_feedforward_layernorm: Norm

  constructor({ attention, mlp, norm }: BlockParts) {
    this.self_attn = attention
    this.post_attention_layernorm = norm()
    this.mlp = mlp
    this.post_feedforward_layernorm = norm()
  }

  forward(x: Tensor, attention: AttentionCall, layer: number): Attended {
    const { output, added } = attention(this.self_attn, x, layer)
    const attended = this.post_attention_layernorm.forward(add(x, output))
    return { output: this.post_feedforward_layernorm.forward(add(attended, this.mlp.forward(attended))), added }
  }
}

/** x + attention(norm(x)), then x + mlp(norm(x)). GPT-2, Llama. */
export const prenorm: Residual = (parts) => new PrenormBlock(parts)

/** x + attention(norm(x)) + mlp(norm(x)), with one norm. Wang & Komatsuzaki 2021 (GPT-J); Phi. */
export const parallel: Residual = (parts) => new ParallelBlock(parts)

/** x + norm(attention(norm(x))), then x + norm(mlp(norm(x))). Gemma 2. */
export const sandwich: Residual = (parts) => new SandwichBlock(parts)

/** norm(x + attention(x)), then norm(x + mlp(x)). Vaswani et al. 2017. */
export const postnorm: Residual = (parts) => new PostnormBlock(parts)
