import { refuseUnknown } from '../base/options.ts'
import { add, type Initializer, type Tensor } from '../tensor/index.ts'
import { attendSlots } from './attend-slots.ts'
import {
  type Attended,
  Attention,
  type AttentionCall,
  type AttentionOptions,
  attentionOptionNames,
  type KeyValues,
  type Slots,
} from './attention.ts'
import { Embedding } from './embedding.ts'
import { normal } from './initializers.ts'
import type { LinearOptions } from './linear.ts'
import type { Mlp, MlpFactory } from './mlp.ts'
import type { Norm, NormFactory } from './norm.ts'
import type { Positions, PositionsFactory } from './positions.ts'
import { checkSizes } from './sizes.ts'

/** A decoder-only transformer, put together from values. */
export interface TransformerOptions {
  readonly vocabularySize: number
  readonly context: number
  readonly width: number
  readonly layers: number
  /** One for all layers, or one per layer. */
  readonly attention: AttentionOptions | ((layer: number) => AttentionOptions)
  readonly mlp: MlpFactory
  readonly norm: NormFactory
  readonly positions: PositionsFactory
  /** Weights of linears and embeddings. Default: normal(0.02), and normal(0.02/√(2·layers)) where results join the residual stream. */
  readonly weight?: Initializer
  readonly bias?: Initializer
}

const optionNames = [
  'vocabularySize',
  'context',
  'width',
  'layers',
  'attention',
  'mlp',
  'norm',
  'positions',
  'weight',
  'bias',
] satisfies (keyof TransformerOptions)[]

export interface BackboneOutput {
  /** `[batch, slot, width]`, normalised: what heads read. */
  readonly hidden: Tensor
  /** Keys and values of these slots, per layer. */
  readonly added: readonly KeyValues[]
}

interface BlockSettings {
  readonly width: number
  readonly attention: AttentionOptions
  readonly mlp: MlpFactory
  readonly norm: NormFactory
  readonly positions: Positions
  readonly linear: LinearOptions
  readonly output: LinearOptions
}

/** Pre-norm residual block: x + attention(norm(x)), then x + mlp(norm(x)). */
class Block {
  readonly input_layernorm: Norm
  readonly self_attn: Attention
  readonly post_attention_layernorm: Norm
  readonly mlp: Mlp

  constructor({ width, attention, mlp, norm, positions, linear, output }: BlockSettings) {
    this.input_layernorm = norm(width)
    refuseUnknown(attention, attentionOptionNames, 'attention')
    this.self_attn = new Attention({ ...attention, width, linear, output, positions })
    this.post_attention_layernorm = norm(width)
    this.mlp = mlp({ width, linear, output })
  }

  /** `[batch, slot, width]` → the same shape. */
  forward(x: Tensor, attention: AttentionCall, layer: number): Attended {
    const { output, added } = attention(this.self_attn, this.input_layernorm.forward(x), layer)
    const attended = add(x, output)
    return { output: add(attended, this.mlp.forward(this.post_attention_layernorm.forward(attended))), added }
  }
}

/**
 * Slots → hidden states. Field names are the keys of public Llama-family checkpoints. Throws OptionError on unknown options and on
 * sizes that do not fit.
 *
 * @example
 * ```ts
 * const backbone = new Transformer({
 *   vocabularySize: 512, context: 512, width: 64, layers: 5, attention: { heads: 8, keyValueHeads: 4 },
 *   mlp: swiglu(172), norm: rmsNorm(), positions: rotary(),
 * })
 * ```
 */
export class Transformer {
  readonly embed_tokens: Embedding
  readonly positions: Positions
  readonly layers: readonly Block[]
  readonly norm: Norm
  readonly width: number
  readonly context: number
  readonly vocabularySize: number

  constructor(options: TransformerOptions) {
    refuseUnknown(options, optionNames, 'Transformer')
    const { vocabularySize, context, width, layers } = options
    checkSizes({ vocabularySize, context, width, layers })
    const { weight = normal(0.02), bias } = options
    const joining = options.weight ?? normal(0.02 / Math.sqrt(2 * layers))
    const linear: LinearOptions = bias === undefined ? { weight } : { weight, bias }
    const settings = { ...options, linear, output: { ...linear, weight: joining } }
    const attentionOf = (layer: number) => (typeof options.attention === 'function' ? options.attention(layer) : options.attention)
    this.width = width
    this.context = context
    this.vocabularySize = vocabularySize
    this.embed_tokens = new Embedding(vocabularySize, width, weight)
    this.positions = options.positions({ width, context })
    this.layers = Array.from(
      { length: layers },
      (_, i) => new Block({ ...settings, attention: attentionOf(i), positions: this.positions }),
    )
    this.norm = options.norm(width)
  }

  /** Embeds ids: int `[batch, slot]` → `[batch, slot, width]`. */
  embed(ids: Tensor, position: Tensor): Tensor {
    const embedded = this.embed_tokens.forward(ids)
    return this.positions.embed?.(embedded, position) ?? embedded
  }

  /** Hidden states of slots, and what a cache must keep of them. */
  forward(slots: Slots): BackboneOutput {
    return this.transform(slots.embedded, attendSlots(slots))
  }

  /** Hidden states of embedded slots `[batch, slot, width]`, whose attention the caller computes. */
  transform(embedded: Tensor, attention: AttentionCall): BackboneOutput {
    let x = embedded
    const added = this.layers.map((block, layer) => {
      const attended = block.forward(x, attention, layer)
      x = attended.output
      return attended.added
    })
    return { hidden: this.norm.forward(x), added }
  }
}
